"""Locate one picture in another, to show why they match. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.common.edits import Box
from django_visualsnoop.engine.descriptors.describe import build_stored_probes
from django_visualsnoop.engine.descriptors.descriptor import SIDE
from django_visualsnoop.engine.matching.compare import compare_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.matching.verify import Alignment

    Floats = NDArray[np.floating]

#: Fewer agreeing features may agree by chance.
_FEWEST = 5


class Size(NamedTuple):
    """The size of an upright picture, in pixels."""

    width: int
    height: int


class Placement(NamedTuple):
    """How to transform the first of two pictures to fit the second."""

    #: Whether to mirror it left to right first.
    mirrored: bool
    #: Degrees to rotate it clockwise after that, -180 to 180.
    turn: float
    #: Pixels of the second picture per pixel of the first, along a line.
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
    """Return width and height, scaled so that the longer one is ``SIDE``."""
    return np.array(size, dtype=np.float64) * (SIDE / max(size))


def _list_corners(extent: Floats) -> Floats:
    return np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * extent


def _compute_box(points: Floats, extent: Floats) -> Box:
    shares = np.clip(points / extent, 0.0, 1.0)
    left, top = shares.min(axis=0).tolist()
    right, bottom = shares.max(axis=0).tolist()
    return Box(left, top, right, bottom)
