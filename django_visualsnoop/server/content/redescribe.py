"""Describing images again after the descriptor's version changed, from the retained originals."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.models import StoredPicture
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.server.models import HostedCollection


def redescribe_collection(collection: HostedCollection) -> Iterator[tuple[str, str]]:
    """Describe images of an older version again. Their ids and times stay.

    Args:
        collection: the collection; this cannot describe images without an original.

    Yields:
        The id of each such image, and why it was not described, or an empty string.
    """
    images = HostedImages(collection)
    for image_id in images.gallery.iterate_outdated_ids():
        original = pictures.get_newest(collection, image_id, StoredPicture.Kind.ORIGINAL)
        try:
            if original is None:
                yield image_id, "no original is retained"
                continue
            with pictures.get_storage().open(original.name) as file:
                new = images.gallery.describe_image(file.read(), image_id)
        except (DecodeError, OSError) as error:
            yield image_id, str(error)
            continue
        is_there = write_atomically(partial(images.store.replace_descriptor, new))
        yield image_id, "" if is_there else "it was replaced meanwhile"
