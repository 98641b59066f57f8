"""Two pictures, stored or not, beside each other: are they copies, and where does one lie?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.matching import calibration, placement
from django_visualsnoop.engine.matching.compare import compare

if TYPE_CHECKING:
    from collections.abc import Collection


class DescribedImage(Protocol):
    """What is kept of a picture, stored or not."""

    @property
    def vector(self) -> bytes:
        """``Descriptor.to_bytes()``."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""


class PictureComparison(NamedTuple):
    """How surely two pictures are copies of each other."""

    rank: int
    #: 0 to 1.
    similarity: float
    #: Where the first lies in the second; ``None`` if that cannot be told.
    placement: placement.Placement | None


def compare_pictures(first: DescribedImage, second: DescribedImage) -> PictureComparison:
    """Return how surely two pictures are copies of each other; see ``Gallery.describe_image``."""
    one, other = add_size(first), add_size(second)
    score = compare(describe.build_stored_probes(one.descriptor), other.descriptor).score
    (where,) = placement.find_placements(one, [other])
    return PictureComparison(
        calibration.score_to_rank(score), calibration.score_to_similarity(score), where
    )


def find_placements_among(
    image: placement.Sized, known: dict[str, placement.Sized], other_ids: Collection[str]
) -> dict[str, placement.Placement]:
    """Return where one picture is located in others. Omits those in which that is not known."""
    others = [other_id for other_id in other_ids if other_id in known]
    found = placement.find_placements(image, [known[other_id] for other_id in others])
    return {
        other_id: where for other_id, where in zip(others, found, strict=True) if where is not None
    }


def add_size(image: DescribedImage) -> placement.Sized:
    """Return a picture with its size, to be compared.

    Raises:
        ValueError: its descriptor is broken, or of another version.
    """
    size = placement.Size(image.width, image.height)
    return placement.Sized(describe.Descriptor.from_bytes(image.vector), size)
