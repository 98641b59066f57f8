"""The images of a group of duplicates, with what the review page shows of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING

from django.template.defaultfilters import filesizeformat
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from django_visualsnoop.common.edit_texts import (
    describe_bytes,
    describe_edits,
    format_changed_part,
    format_matrix,
)
from django_visualsnoop.common.facts import compare_facts
from django_visualsnoop.common.proposals import Candidate, note_edits, order_candidates
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

#: Of a larger group, only the edits between the oldest image and each other one are determined, and
#: the page shows small pictures.
_ALL_PAIRS = 6
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


def read_images(images: HostedImages, members: Sequence[GroupMember]) -> list[ReviewedImage]:
    """Return the images of a group, the one that is proposed to be kept first.

    Args:
        images: the images of the collection.
        members: the images of the group; those that are gone are left out.
    """
    details = images.store.read_details(one.image_id for one in members)
    members = [one for one in members if one.image_id in details]
    retained = _read_retained(images, [one.image_id for one in members])
    ages = sorted(members, key=lambda one: details[one.image_id].image_time)
    shown = {
        one.image_id: _build(one, details[one.image_id], retained[one.image_id], age, len(members))
        for age, one in enumerate(ages)
    }
    by_age = list(shown)
    pairs = list(permutations(by_age, 2))
    if len(by_age) > _ALL_PAIRS:
        pairs = [(by_age[0], other) for other in by_age[1:]]
    edits = _find_edits(images, pairs)
    # Equal ones stay in the order of the group.
    candidates = [shown[one.image_id].candidate for one in members]
    note_edits(candidates, edits)
    ordered = [shown[one.key] for one in order_candidates(candidates)]
    first = ordered[0].image_id
    if len(by_age) > _ALL_PAIRS and first != by_age[0]:
        edits |= _find_edits(images, [(first, one.image_id) for one in ordered[1:]])
    for one in ordered[1:]:
        one.edits = edits.get((first, one.image_id))
        texts = [] if one.edits is None else describe_edits(one.edits)
        sizes = ordered[0].candidate.file_size, one.candidate.file_size or None
        one.edit_texts = [*texts, *filter(None, [describe_bytes(*sizes)])]
    _add_facts(images, ordered, details)
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
    age: int,
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
        age=age,
    )
    return ReviewedImage(
        member.image_id,
        details.digest,
        percent(member.similarity),
        candidate,
        preview=(small or largest) if size > _ALL_PAIRS else largest,
        largest=largest,
    )


def _find_edits(
    images: HostedImages, pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Edits]:
    find_originals = partial(pictures.find_originals, images.collection)
    return images.gallery.describe_edits(pairs, find_originals)


def _add_facts(
    images: HostedImages, shown: Sequence[ReviewedImage], details: Mapping[str, ImageDetails]
) -> None:
    lines = [
        (_("Similarity"), [one.similarity_text for one in shown]),
        (_("Pixels"), [_format_pixels(details[one.image_id]) for one in shown]),
    ]
    if any(one.candidate.file_size for one in shown):
        lines.append((_("File size"), [_format_size(one.candidate.file_size) for one in shown]))
    lines.append((_("Added or replaced"), [_format_time(details[one.image_id]) for one in shown]))
    metadata = read_metadata(images.collection.pk, details)
    for name in sorted({name for given in metadata.values() for name in given}):
        values = [metadata.get(one.image_id, {}).get(name) for one in shown]
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
