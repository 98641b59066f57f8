"""The images of a group of duplicates, with what the review page shows of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from django.template.defaultfilters import filesizeformat
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from django_visualsnoop.common.edit_texts import format_changed_part, format_matrix
from django_visualsnoop.common.facts import compare_facts
from django_visualsnoop.common.ordering import ALL_PAIRS, order_groups
from django_visualsnoop.common.proposals import Candidate
from django_visualsnoop.engine.storage.times import to_datetime
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.content.metadata import read_metadata
from django_visualsnoop.server.models import StoredPicture
from django_visualsnoop.server.pages.cards import percent
from django_visualsnoop.server.pages.converters import ImageId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django_visualsnoop.common.edits import Edits
    from django_visualsnoop.common.facts import Fact
    from django_visualsnoop.engine.storage.values import ImageDetails
    from django_visualsnoop.server.content.groups import GroupMember
    from django_visualsnoop.server.content.images import HostedImages
    from django_visualsnoop.server.content.metadata import Value

#: The formats of originals that browsers show.
_SHOWN_TYPES = frozenset(f"image/{name}" for name in ("jpeg", "png", "gif", "webp", "avif", "bmp"))
_UNKNOWN = "\N{EN DASH}"


@dataclass
class ReviewedImage:
    """An image of a group."""

    image_id: str
    digest: str
    similarity_text: str
    candidate: Candidate
    #: The kinds of the retained pictures to show in the list, and to compare; empty if there is
    #: none.
    preview: str
    largest: str
    facts: list[Fact] = field(default_factory=list)
    #: What was done to its picture, in words; empty for the proposed one.
    edit_texts: list[str] = field(default_factory=list)
    edits: Edits | None = None

    @property
    def address(self) -> str:
        """The id in the form that URLs and forms use."""
        return ImageId().to_url(self.image_id)

    @property
    def matrix(self) -> str:
        """How to lay this picture over the proposed one."""
        return format_matrix(self.edits)

    @property
    def changed(self) -> str:
        """The part that differs."""
        return format_changed_part(self.edits)


def read_groups(
    images: HostedImages, groups: Sequence[Sequence[GroupMember]]
) -> list[list[ReviewedImage]]:
    """Return the images of each group, the one that is proposed to be kept first.

    The number of queries does not depend on the number of groups.

    Args:
        images: the images of the collection.
        groups: the images of each group; those that are gone are left out.
    """
    details = images.store.read_details(one.image_id for group in groups for one in group)
    groups = [[one for one in group if one.image_id in details] for group in groups]
    retained = _read_retained(images, list(details))
    shown = [
        [_build(one, details[one.image_id], retained[one.image_id], len(group)) for one in group]
        for group in groups
    ]
    for some in shown:
        for age, one in enumerate(sorted(some, key=lambda one: details[one.image_id].image_time)):
            one.candidate.age = age
    ordered = order_groups(shown, partial(_find_edits, images))
    metadata = read_metadata(images.collection.pk, details)
    for found in ordered:
        _add_facts(found, details, metadata)
    return ordered


def _read_retained(
    images: HostedImages, image_ids: Sequence[str]
) -> dict[str, dict[str, StoredPicture]]:
    """Return the retained pictures of images, by id and kind."""
    found: dict[str, dict[str, StoredPicture]] = {image_id: {} for image_id in image_ids}
    by_key = {images.store.image_key(image_id): image_id for image_id in image_ids}
    for row in pictures.get_pictures_of(images.collection, image_ids).order_by("pk"):
        found[by_key[row.key]][row.kind] = row
    return found


def _build(
    member: GroupMember,
    details: ImageDetails,
    retained: Mapping[str, StoredPicture],
    size: int,
) -> ReviewedImage:
    thumbnail, original = map(retained.get, StoredPicture.Kind.values[:2])
    small = "" if thumbnail is None else StoredPicture.Kind.THUMBNAIL.value
    is_shown = original is not None and original.content_type in _SHOWN_TYPES
    largest = StoredPicture.Kind.ORIGINAL.value if is_shown else small
    candidate = Candidate(
        None,
        member.image_id,
        "",
        pixels=details.width * details.height,
        file_size=0 if original is None else original.bytes,
    )
    return ReviewedImage(
        member.image_id,
        details.digest,
        percent(member.similarity),
        candidate,
        preview=(small or largest) if size > ALL_PAIRS else largest,
        largest=largest,
    )


def _find_edits(
    images: HostedImages, groups: Sequence[Sequence[tuple[ReviewedImage, ReviewedImage]]]
) -> list[dict[tuple[str, str], Edits]]:
    """Return the edits between pairs of images of each group, by their ids."""
    ids = [[(one.image_id, other.image_id) for one, other in pairs] for pairs in groups]
    find_originals = partial(pictures.find_originals, images.collection)
    found = images.gallery.describe_edits([*chain.from_iterable(ids)], find_originals)
    return [{pair: found[pair] for pair in pairs if pair in found} for pairs in ids]


def _add_facts(
    shown: Sequence[ReviewedImage],
    details: Mapping[str, ImageDetails],
    metadata: Mapping[str, Mapping[str, Value]],
) -> None:
    lines = [
        (_("Similarity"), [one.similarity_text for one in shown]),
        (_("Pixels"), [_format_pixels(details[one.image_id]) for one in shown]),
    ]
    if any(one.candidate.file_size for one in shown):
        lines.append((_("File size"), [_format_size(one.candidate.file_size) for one in shown]))
    lines.append((_("Added or replaced"), [_format_time(details[one.image_id]) for one in shown]))
    known = [metadata.get(one.image_id, {}) for one in shown]
    for name in sorted({name for given in known for name in given}):
        values = [given.get(name) for given in known]
        lines.append((name, [_UNKNOWN if value is None else str(value) for value in values]))
    for one, facts in zip(shown, compare_facts(lines), strict=True):
        one.facts = facts


def _format_pixels(details: ImageDetails) -> str:
    if not details.width:
        return _UNKNOWN
    return f"{details.width} \N{MULTIPLICATION SIGN} {details.height}"


def _format_time(details: ImageDetails) -> str:
    """Return an element that the script of the pages shows in the user's own time zone."""
    moment = to_datetime(details.image_time).replace(second=0, microsecond=0)
    shown = date_format(localtime(moment), "SHORT_DATETIME_FORMAT")
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), shown)


def _format_size(size: int) -> str:
    return filesizeformat(size) if size else _UNKNOWN
