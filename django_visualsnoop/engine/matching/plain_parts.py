"""Frames and bars around a picture, or over its edges, that another one does not have.

Boxes are (left, top, right, bottom) in pixels. Imports no Django.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import cv2
import numpy as np

from django_visualsnoop.engine.images.content_boxes import measure_bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Matrix = NDArray[np.float64]
    Flags = NDArray[np.bool_]

    Colour: TypeAlias = NDArray[np.float64]

PixelBox: TypeAlias = tuple[int, int, int, int]

_Scalar = TypeVar("_Scalar", bound=np.generic)

#: Strips thinner than this are not looked at: in pixels, and as a share of the side.
_THINNEST, _THINNEST_SHARE = 2, 0.012
#: So many pixels beside the edge of a picture are blurred with it.
_MARGIN = 1
#: A strip is plain if this share of it has one colour, to within so many levels, and that share
#: nearly exactly: a sky is not.
_ROUGHLY, _ROUGH_SHARE = 12, 0.6
_EXACTLY, _EXACT_SHARE = 4, 0.45
#: A frame ends at a visible edge: a step of so many levels along this share of it.
_STEP, _STEP_SHARE = 8, 0.3
#: A band that was drawn differs by more levels than this from what it covers.
_COVERED = 24


class Strips(NamedTuple):
    """What a picture shows outside of a box, along its sides."""

    #: The box without a frame.
    box: PixelBox
    #: Whether there is a plain border or a bar.
    is_framed: bool
    #: 0 to 1: the share of the picture's area that shows more of the scene.
    more: float


def find_drawn_bands(pixels: Pixels, other: Pixels, shown: Flags) -> PixelBox:
    """Return the picture without bands of one colour that cover what the other one shows.

    Args:
        pixels: height x width x 3, RGB, uint8.
        other: the other picture, laid over it.
        shown: height x width: where the other picture is.
    """
    height, width = shown.shape
    depths = measure_bands(pixels)
    drawn: list[Colour] = []
    colours: list[Colour | None] = []
    for turn, depth in enumerate(depths):
        picture, beside, there = _turn(pixels, turn), _turn(other, turn), _turn(shown, turn)
        colours.append(None)
        if depth < max(_THINNEST, _THINNEST_SHARE * len(picture)):
            continue
        colours[-1] = colour = np.median(picture[:depth].reshape(-1, 3), axis=0).astype(np.float64)
        covered = there[:depth]
        if (
            np.count_nonzero(covered.any(axis=1)) >= _THINNEST
            and _differ(picture[:depth][covered], beside[:depth][covered])
            and _ends_at_edge(picture, depth)
        ):
            drawn.append(colour)
    # The rest of a frame may cover something of its own colour, or nothing.
    top, bottom, left, right = (
        depth
        if colour is not None and any(np.abs(colour - one).max() <= _ROUGHLY for one in drawn)
        else 0
        for depth, colour in zip(depths, colours, strict=True)
    )
    return left, top, width - right, height - bottom


def find_strips(pixels: Pixels, inner: PixelBox, outer: PixelBox) -> Strips:
    """Return what a picture shows between two boxes.

    Args:
        pixels: height x width x 3, RGB, uint8.
        inner: what another picture shows, too.
        outer: all that counts.
    """
    left, top = max(inner[0], outer[0]), max(inner[1], outer[1])
    right, bottom = min(inner[2], outer[2]), min(inner[3], outer[3])
    if right <= left or bottom <= top:
        return Strips(outer, is_framed=False, more=0.0)
    height, width = pixels.shape[:2]
    depths = [top - outer[1], outer[3] - bottom, left - outer[0], outer[2] - right]
    frames, more = [0, 0, 0, 0], 0.0
    for turn, depth in enumerate(depths):
        if depth < max(_THINNEST, _THINNEST_SHARE * (height if turn < 2 else width)):
            continue
        # Each side in turn is the top one.
        picture = _turn(pixels[outer[1] : outer[3], outer[0] : outer[2]], turn)
        before, after = depths[2:] if turn < 2 else depths[:2]
        beside = picture[:, before : picture.shape[1] - after]
        if not _is_plain(picture[: depth - _MARGIN].reshape(-1, 3)):
            more += depth * beside.shape[1] / (height * width)
        elif _ends_at_edge(beside, depth):
            frames[turn] = depth
    top, bottom, left, right = frames
    box = outer[0] + left, outer[1] + top, outer[2] - right, outer[3] - bottom
    return Strips(box, any(frames), more)


def shows_more(pixels: Pixels, shown: Flags) -> float:
    """Return the share of a picture outside of a part, if that is not of one colour, else 0."""
    outside = ~cv2.dilate(shown.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    rest = pixels[outside]
    return 0.0 if len(rest) == 0 or _is_plain(rest) else len(rest) / outside.size


def _turn(pixels: NDArray[_Scalar], turn: int) -> NDArray[_Scalar]:
    """Return a view in which the top, bottom, left or right side is at the top."""
    if turn >= 2:
        pixels = pixels.swapaxes(0, 1)
    return pixels[::-1] if turn % 2 else pixels


def _is_plain(pixels: Pixels) -> bool:
    """Return whether pixels, n x 3, have one colour; words on it may have others."""
    if len(pixels) == 0:
        return False
    steps = (pixels >> 3).astype(np.int64) @ np.array([1024, 32, 1])
    values, counts = np.unique(steps, return_counts=True)
    colour = np.median(pixels[steps == values[counts.argmax()]], axis=0)
    away = np.abs(pixels - colour).max(axis=1)
    return bool(
        (away <= _ROUGHLY).mean() >= _ROUGH_SHARE and (away <= _EXACTLY).mean() >= _EXACT_SHARE
    )


def _differ(pixels: Pixels, beside: Pixels) -> bool:
    """Return whether pixels of one colour cover others that have more than one."""
    away = np.abs(pixels.astype(np.int16) - beside).max(axis=1)
    return bool((away > _COVERED).mean() >= _STEP_SHARE) and not _is_plain(beside)


def _ends_at_edge(picture: Pixels, depth: int) -> bool:
    """Return whether an edge is visible below the first rows."""
    above, below = max(0, depth - 1 - _MARGIN), depth + _MARGIN + 1
    if below >= len(picture):
        return False
    step = np.abs(picture[above].astype(np.int16) - picture[below]).max(axis=1)
    return bool((step > _STEP).mean() >= _STEP_SHARE)
