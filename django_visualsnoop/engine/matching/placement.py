"""Where one picture is located in another: why they match. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.describe import build_stored_probes
from django_visualsnoop.engine.descriptors.descriptor import SIDE
from django_visualsnoop.engine.matching.compare import compare_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.matching.verify import Alignment

    Floats = NDArray[np.floating]

#: Fewer features that agree may do so by chance.
_FEWEST = 5


class Size(NamedTuple):
    """The size of a picture, upright, in pixels."""

    width: int
    height: int


class Box(NamedTuple):
    """A part of a picture, as shares of its width and height. 0, 0 is the upper left corner."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """The share of the picture's area, 0 to 1."""
        return (self.right - self.left) * (self.bottom - self.top)


class Placement(NamedTuple):
    """How to turn the first of two pictures into what the second shows of it."""

    #: Whether to mirror it, left to right, before anything else.
    mirrored: bool
    #: By how many degrees to rotate it clockwise after that, -180 to 180.
    turn: float
    #: How many pixels of the second one pixel of the first becomes, along a line.
    scale: float
    #: The part of the first that the second shows; if rotated, the box around this part.
    part_of_first: Box
    #: The part of the second that shows it; if rotated, the box around this part.
    part_of_second: Box


class Sized(NamedTuple):
    """The descriptor and the size of a picture."""

    descriptor: Descriptor
    size: Size


def find_placements(first: Sized, others: Sequence[Sized]) -> list[Placement | None]:
    """Return where a picture is located in each of the others.

    An item is ``None`` if too few details agree: for pictures without details, and for pictures
    that look alike only as a whole.
    """
    compared = compare_all(
        build_stored_probes(first.descriptor), [one.descriptor for one in others]
    )
    return [
        _place(found.alignment, found.picture == 1, first.size, other.size)
        if found.alignment.inliers >= _FEWEST
        else None
        for found, other in zip(compared, others, strict=True)
    ]


def _place(
    match: Alignment, mirrored: bool, first_size: Size, second_size: Size
) -> Placement | None:
    matrix = match.matrix.astype(np.float64)
    shift = match.shift.astype(np.float64)
    if abs(np.linalg.det(matrix)) < 1e-6:
        return None
    turn = match.turn
    scale = match.scale * max(second_size) / max(first_size)
    if mirrored:
        # The features of the mirror image are at SIDE - x.
        shift = shift + matrix @ np.array([SIDE, 0.0])
        matrix = matrix @ np.diag([-1.0, 1.0])
    back = np.linalg.inv(matrix)
    first, second = _compute_extent(first_size), _compute_extent(second_size)
    seen = _compute_box(_list_corners(second) @ back.T - back @ shift, first)
    shows = _compute_box(_list_corners(first) @ matrix.T + shift, second)
    return Placement(mirrored, turn, scale, seen, shows)


def _compute_extent(size: Size) -> Floats:
    """Return width and height, the longer one ``SIDE``."""
    return np.array(size, dtype=np.float64) * (SIDE / max(size))


def _list_corners(extent: Floats) -> Floats:
    return np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * extent


def _compute_box(points: Floats, extent: Floats) -> Box:
    shares = np.clip(points / extent, 0.0, 1.0)
    left, top = shares.min(axis=0).tolist()
    right, bottom = shares.max(axis=0).tolist()
    return Box(left, top, right, bottom)
