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
_STEP, _STEP_SHARE = 8, 0.6
#: A band that was drawn differs by more levels than this from this share of what it covers.
_COVERED, _COVERED_SHARE = 24, 0.3


class Strips(NamedTuple):
    """What a picture shows outside of a box, along its sides."""

    #: The box without a frame.
    box: PixelBox
    #: Whether there is a plain border or a bar.
    is_framed: bool
    #: 0 to 1: the share of the picture's area that shows more of the scene.
    more: float


class _Band(NamedTuple):
    """A band of one colour at a side of a picture."""

    #: In pixels; 0 if there is none.
    depth: int
    colour: Colour | None = None
    #: Whether it is certainly of a frame or bar, and no part of the picture.
    is_sure: bool = False


def _select_frame(bands: list[_Band]) -> tuple[int, int, int, int]:
    """Return the depths of a frame.

    A part of a frame may cover something of its own colour, or lie beside it: a sure band tells
    what the others of its colour are.
    """
    sure = [band.colour for band in bands if band.is_sure and band.colour is not None]
    top, bottom, left, right = (
        band.depth
        if band.colour is not None
        and any(np.abs(band.colour - colour).max() <= _ROUGHLY for colour in sure)
        else 0
        for band in bands
    )
    return top, bottom, left, right


def find_drawn_bands(pixels: Pixels, other: Pixels, shown: Flags) -> PixelBox:
    """Return the picture without bands of one colour that cover what the other one shows.

    Args:
        pixels: height x width x 3, RGB, uint8.
        other: the other picture, laid over it.
        shown: height x width: where the other picture is.
    """
    height, width = shown.shape
    depths = measure_bands(pixels)
    bands = [_Band(0)] * 4
    for turn, depth in enumerate(depths):
        picture, beside, there = _turn(pixels, turn), _turn(other, turn), _turn(shown, turn)
        if depth < max(_THINNEST, _THINNEST_SHARE * len(picture)):
            continue
        covered = there[:depth]
        is_drawn = bool(
            np.count_nonzero(covered.any(axis=1)) >= _THINNEST
            and _differ(picture[:depth][covered], beside[:depth][covered])
            and _ends_at_edge(picture, depth)
        )
        bands[turn] = _Band(depth, _find_colour(picture[:depth].reshape(-1, 3)), is_drawn)
    top, bottom, left, right = _select_frame(bands)
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
    bands, more = [_Band(0)] * 4, 0.0
    for turn, depth in enumerate(depths):
        if depth < max(_THINNEST, _THINNEST_SHARE * (height if turn < 2 else width)):
            continue
        # Each side in turn is the top one.
        picture = _turn(pixels[outer[1] : outer[3], outer[0] : outer[2]], turn)
        before, after = depths[2:] if turn < 2 else depths[:2]
        beside = picture[:, before : picture.shape[1] - after]
        strip = picture[: depth - _MARGIN].reshape(-1, 3)
        if _is_plain(strip):
            bands[turn] = _Band(depth, _find_colour(strip), _ends_at_edge(beside, depth))
        else:
            more += depth * beside.shape[1] / (height * width)
    top, bottom, left, right = _select_frame(bands)
    box = outer[0] + left, outer[1] + top, outer[2] - right, outer[3] - bottom
    return Strips(box, box != outer, more)


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
    away = np.abs(pixels - _find_colour(pixels)).max(axis=1)
    return bool(
        (away <= _ROUGHLY).mean() >= _ROUGH_SHARE and (away <= _EXACTLY).mean() >= _EXACT_SHARE
    )


def _find_colour(pixels: Pixels) -> Colour:
    """Return the most frequent colour of pixels, n x 3."""
    steps = (pixels >> 3).astype(np.int64) @ np.array([1024, 32, 1])
    values, counts = np.unique(steps, return_counts=True)
    colour: Colour = np.median(pixels[steps == values[counts.argmax()]], axis=0)
    return colour


def _differ(pixels: Pixels, beside: Pixels) -> bool:
    """Return whether pixels of one colour cover others that have more than one."""
    away = np.abs(pixels.astype(np.int16) - beside).max(axis=1)
    return bool((away > _COVERED).mean() >= _COVERED_SHARE) and not _is_plain(beside)


def _ends_at_edge(picture: Pixels, depth: int) -> bool:
    """Return whether an edge is visible below the first rows."""
    above, below = max(0, depth - 1 - _MARGIN), depth + _MARGIN + 1
    if below >= len(picture):
        return False
    step = np.abs(picture[above].astype(np.int16) - picture[below]).max(axis=1)
    return bool((step > _STEP).mean() >= _STEP_SHARE)
