"""Say what was done to a copy of a picture. Imports no Django.

This lays one picture over the other. What only one shows around that is a frame if it is plain, or
more of the picture. Where both show something, their tones and details are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.common.edits import Box, Edits
from django_visualsnoop.engine.matching import affine
from django_visualsnoop.engine.matching.changes import compare_tones, find_change, lay_over
from django_visualsnoop.engine.matching.plain_parts import (
    Strips,
    find_drawn_bands,
    find_strips,
    shows_more,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.common.edits import Tone
    from django_visualsnoop.engine.matching.affine import Subject
    from django_visualsnoop.engine.matching.placement import Size
    from django_visualsnoop.engine.matching.plain_parts import PixelBox

    Pixels = NDArray[np.uint8]
    Matrix = NDArray[np.float64]

#: Turns by quarters may be off by so many degrees.
_OFF = 3.0
#: From this share of its area on, a picture shows clearly more.
_CLEARLY = 0.02

_WHOLE = Box(0.0, 0.0, 1.0, 1.0)
#: Of a file and the same file.
NO_EDITS = Edits(
    mirrored=False,
    turn=0.0,
    scale=1.0,
    part_of_first=_WHOLE,
    part_of_second=_WHOLE,
    is_cropped=False,
    is_framed=False,
    extends=False,
    tone="",
    changed=None,
    is_captioned=False,
    matrix=(1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
)


class _Side(NamedTuple):
    """One of two pictures beside the other one."""

    #: The size of the file.
    size: Size
    #: Takes places of this picture to the other one, in shares.
    to_other: Matrix
    #: What only this one shows around what both show.
    outside: Strips
    #: What both show, in this one.
    part: Box
    #: How this one looks beside the other.
    tone: Tone
    #: Where this one differs.
    changed: Box | None
    #: Whether something was added there in this one.
    is_captioned: bool


def describe_edits(
    first: Subject, second: Subject, first_size: Size, second_size: Size
) -> tuple[Edits, Edits] | None:
    """Return how the second picture differs from the first, and the first from the second.

    Args:
        first, second: the pictures.
        first_size, second_size: the sizes of their files.

    Returns:
        ``None`` if one cannot be laid over the other.
    """
    try:
        sides = _compare_sides(first, second, first_size, second_size)
    except (cv2.error, np.linalg.LinAlgError):
        return None  # no library promises to survive every degenerate picture
    return None if sides is None else (_build(*sides), _build(*sides[::-1]))


def _build(first: _Side, second: _Side) -> Edits:
    linear = affine.convert_to_pixels(first.to_other, first.size, second.size)[:, :2]
    a, b, c, d, e, f = second.to_other.T.ravel().tolist()
    return Edits(
        mirrored=bool(np.linalg.det(linear) < 0),
        turn=_round_turn(_measure_turn(linear)),
        scale=float(np.sqrt(abs(np.linalg.det(linear)))),
        part_of_first=first.part,
        part_of_second=second.part,
        is_cropped=first.outside.more > _CLEARLY,
        is_framed=second.outside.is_framed,
        extends=second.outside.more > _CLEARLY,
        tone=second.tone,
        changed=second.changed,
        is_captioned=second.is_captioned,
        matrix=(a, b, c, d, e, f),
    )


def _compare_sides(
    first: Subject, second: Subject, first_size: Size, second_size: Size
) -> tuple[_Side, _Side] | None:
    matrix = affine.find_affine_map(first, second)
    if matrix is None:
        return None
    back = affine.invert(matrix)
    one, other = first.pixels, second.pixels
    sizes = affine.get_size(one), affine.get_size(other)
    to_second = affine.convert_to_pixels(matrix, *sizes)
    contents = _find_content(one, other, back), _find_content(other, one, matrix)
    turn = _round_turn(_measure_turn(to_second[:, :2]))
    outsides = (
        _look_outside(one, contents[0], _map(contents[1], sizes[1], back), back, turn),
        _look_outside(other, contents[1], _map(contents[0], sizes[0], matrix), matrix, turn),
    )
    overlay = lay_over(one, other, to_second, outsides[0].box, outsides[1].box)
    if overlay is None:
        return None
    second_tone, first_tone = compare_tones(overlay.laid)
    change = find_change(overlay)
    changed: list[Box | None] = [None, None]
    if change is not None:
        frame = 0 if overlay.is_first else 1
        changed[frame] = _to_shares(change.box, sizes[frame])
        changed[1 - frame] = _map(change.box, sizes[frame], matrix if overlay.is_first else back)
    evidence = 0.0 if change is None else change.evidence
    boxes = outsides[0].box, outsides[1].box
    first_part = _intersect(_to_shares(boxes[0], sizes[0]), _map(boxes[1], sizes[1], back))
    second_part = _intersect(_to_shares(boxes[1], sizes[1]), _map(boxes[0], sizes[0], matrix))
    return (
        _Side(first_size, matrix, outsides[0], first_part, first_tone, changed[0], evidence < 0),
        _Side(second_size, back, outsides[1], second_part, second_tone, changed[1], evidence > 0),
    )


def _find_content(pixels: Pixels, other: Pixels, from_other: Matrix) -> PixelBox:
    """Return a picture without bands drawn over what the other one shows."""
    size = affine.get_size(pixels)
    matrix = affine.convert_to_pixels(from_other, affine.get_size(other), size)
    laid = cv2.warpAffine(other, matrix, size, flags=cv2.INTER_AREA)
    white = np.ones(other.shape[:2], np.uint8)
    shown = cv2.warpAffine(white, matrix, size, flags=cv2.INTER_NEAREST)
    return find_drawn_bands(pixels, laid.astype(np.uint8), shown.astype(np.bool_))


def _look_outside(
    pixels: Pixels, content: PixelBox, shown: Box, from_other: Matrix, turn: float
) -> Strips:
    """Return what a picture shows that the other one does not.

    Args:
        pixels: the picture.
        content: the part of it that counts.
        shown: the box around what the other one shows, too.
        from_other: takes places of the other one to this one, in shares.
        turn: the turn between them.
    """
    size = affine.get_size(pixels)
    is_framed = content != (0, 0, *size)
    if turn % 90 == 0:
        found = find_strips(pixels, _to_pixels(shown, size), content)
        return found._replace(is_framed=found.is_framed or is_framed)
    corners = affine.apply(from_other, _list_corners(_WHOLE)) * size
    covered = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillConvexPoly(covered, np.round(corners).astype(np.int32), 1)
    return Strips(content, is_framed, shows_more(pixels, covered.astype(np.bool_)))


def _measure_turn(linear: Matrix) -> float:
    """Return by how many degrees a map turns clockwise, after it has mirrored left to right."""
    if np.linalg.det(linear) < 0:
        linear = linear @ np.diag([-1.0, 1.0])
    # The rotation that is closest to the map.
    left, _, right = np.linalg.svd(linear)
    rotation = left @ right
    return float(np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))) % 360


def _round_turn(turn: float) -> float:
    quarter = 90.0 * round(turn / 90)
    return quarter % 360 if abs(turn - quarter) <= _OFF else round(turn, 1)


def _map(box: PixelBox, size: tuple[int, int], matrix: Matrix) -> Box:
    """Return the box around where a map takes a box of a picture of some size."""
    taken = affine.apply(matrix, _list_corners(_to_shares(box, size)))
    left, top = np.clip(taken.min(axis=0), 0.0, 1.0).tolist()
    right, bottom = np.clip(taken.max(axis=0), 0.0, 1.0).tolist()
    return Box(left, top, right, bottom)


def _list_corners(box: Box) -> Matrix:
    return np.array(
        [
            [box.left, box.top],
            [box.right, box.top],
            [box.right, box.bottom],
            [box.left, box.bottom],
        ]
    )


def _to_shares(box: PixelBox, size: tuple[int, int]) -> Box:
    width, height = size
    return Box(box[0] / width, box[1] / height, box[2] / width, box[3] / height)


def _to_pixels(box: Box, size: tuple[int, int]) -> PixelBox:
    width, height = size
    return (
        round(box.left * width),
        round(box.top * height),
        round(box.right * width),
        round(box.bottom * height),
    )


def _intersect(one: Box, other: Box) -> Box:
    return Box(
        max(one.left, other.left),
        max(one.top, other.top),
        min(one.right, other.right),
        min(one.bottom, other.bottom),
    )
