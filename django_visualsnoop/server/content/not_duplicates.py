"""Pairs marked as not duplicates, in the engine's table; see ``engine.storage.not_duplicates``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.storage import not_duplicates as marks
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.server.models import database
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection

    from django_visualsnoop.engine.storage.values import StoredImage
    from django_visualsnoop.server.content.images import HostedImages


class SameImage(ValueError):  # noqa: N818
    """The two ids of a pair are equal."""


class ImagePair(NamedTuple):
    """A pair of image ids; ``first_id < second_id``."""

    first_id: str
    second_id: str


def make_pair(one_id: str, other_id: str) -> ImagePair:
    """Return a pair of image ids.

    Raises:
        SameImage: the ids are equal.
    """
    try:
        return ImagePair(*marks.order_pair(one_id, other_id))
    except ValueError as error:
        raise SameImage(*error.args) from None


def mark_pair(images: HostedImages, pair: ImagePair) -> bool:
    """Mark two images as not duplicates; return whether the pair had no mark, not even a void one.

    Raises:
        ImageMissing: one of the images does not exist.
        Refused: 404, the collection does not exist; or the caller may no longer write to it.
    """
    return bool(mark_pairs(images, [pair]))


def mark_pairs(images: HostedImages, pairs: Collection[ImagePair]) -> int:
    """Mark all pairs or none, and return how many had no mark; see ``mark_pair``.

    This executes a few statements for all pairs together.
    """

    def work() -> int:
        images.lock()
        marked = marks.count_marks(images.store, pairs)
        marks.mark_pairs(images.store, pairs)
        return len(set(pairs)) - marked

    return write_atomically(work)


def unmark_pair(images: HostedImages, pair: ImagePair) -> bool:
    """Remove the mark of a pair; return whether the pair was marked.

    Raises:
        Refused: 404, the collection does not exist; or the caller may no longer write to it.
    """

    def work() -> bool:
        images.lock()
        return bool(marks.unmark_pairs(images.store, [pair]))

    return write_atomically(work)


def unmark_image(image: StoredImage) -> None:
    """Remove all marks of an image; call this in the transaction that deletes the image.

    The engine alone would keep them for a day; see ``engine.storage.publish.purge``.
    """
    marks.forget_keys(database(), image.collection_id, [Store.image_key(image.image_id)])


def list_pairs(images: HostedImages) -> list[ImagePair]:
    """Return the marked pairs, oldest first."""
    return [ImagePair(*pair) for pair in marks.list_pairs(images.store)]


def list_pairs_among(images: HostedImages, image_ids: Collection[str]) -> set[ImagePair]:
    """Return the marked pairs of some images."""
    found = marks.list_pairs(images.store, image_ids)
    return {ImagePair(*pair) for pair in found if pair[0] in image_ids and pair[1] in image_ids}


def get_version(images: HostedImages) -> str:
    """Return a text that changes with every change of the marks."""
    return marks.get_version(images.store)
