"""Compare two pictures, stored or not: are they copies, and where is one located?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.descriptors.descriptor import parse_description
from django_visualsnoop.engine.matching import calibration, placement
from django_visualsnoop.engine.matching.compare import compare

if TYPE_CHECKING:
    from collections.abc import Collection


class DescribedImage(Protocol):
    """The data of a picture, stored or not, for comparisons."""

    @property
    def vector(self) -> bytes:
        """``Descriptor.to_bytes()``."""

    @property
    def version(self) -> int:
        """The version of the description."""

    @property
    def thumbnail(self) -> bytes | None:
        """``thumbnail.encode()``; ``None`` without one."""

    @property
    def capture(self) -> bytes | None:
        """``Capture.pack()``; ``None`` without one."""

    @property
    def width(self) -> int:
        """Width in pixels."""

    @property
    def height(self) -> int:
        """Height in pixels."""


class PictureComparison(NamedTuple):
    """How two pictures are related."""

    rank: int
    #: 0 to 1.
    similarity: float
    #: One of ``search_options.RELATIONS``; ``None`` if unknown.
    relation: str | None
    #: 0 to 1: the share of what both show that differs; ``None`` if unknown.
    difference: float | None
    #: Where the first is located in the second; ``None`` if unknown.
    placement: placement.Placement | None


def compare_pictures(first: DescribedImage, second: DescribedImage) -> PictureComparison:
    """Return how two pictures are related; see ``Gallery.describe_image``."""
    one, other = add_size(first), add_size(second)
    relation = compare(describe.build_stored_probes(one.descriptor), other.descriptor).relation
    (where,) = placement.find_placements(one, [other])
    return PictureComparison(
        relation.rank,
        calibration.score_to_similarity(relation.score),
        relation.name,
        relation.difference,
        where,
    )


def find_placements_among(
    image: placement.Sized, known: dict[str, placement.Sized], other_ids: Collection[str]
) -> dict[str, placement.Placement]:
    """Return where one picture is located in others. Omits those without a known placement."""
    others = [other_id for other_id in other_ids if other_id in known]
    found = placement.find_placements(image, [known[other_id] for other_id in others])
    return {
        other_id: where for other_id, where in zip(others, found, strict=True) if where is not None
    }


def add_size(image: DescribedImage) -> placement.Sized:
    """Return a picture's descriptor with its size, for a comparison.

    Raises:
        ValueError: its descriptor is broken, or of another version.
    """
    size = placement.Size(image.width, image.height)
    descriptor = parse_description(image.version, image.vector, image.thumbnail, image.capture)
    return placement.Sized(descriptor, size)
