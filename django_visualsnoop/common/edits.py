"""What was done to a copy of a picture. Imports nothing."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

#: How the tones of a copy differ; empty if they hardly do.
Tone: TypeAlias = Literal["", "grey", "lighter", "darker"]


class Box(NamedTuple):
    """A part of a picture, as shares of its width and height. The origin is the upper left."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """The share of the picture's area, 0 to 1."""
        return (self.right - self.left) * (self.bottom - self.top)


class Edits(NamedTuple):
    """How the second of two copies differs from the first.

    Nothing tells which of the two is older. So this says, for example, that the first is a crop of
    the second (``extends``), or that something was written on the first (``is_captioned`` is false,
    although a part is ``changed``).
    """

    #: Whether the second is a mirror image.
    mirrored: bool
    #: Degrees by which the second is rotated clockwise, after it was mirrored left to right: 0, 90,
    #: 180 or 270 if it is nearly that, else 0 to 360.
    turn: float
    #: Pixels of the second file per pixel of the first, along a line.
    scale: float
    #: The part of the first that the second shows; if rotated, the box around this part.
    part_of_first: Box
    #: The part of the second that shows it, likewise: without a frame or a bar.
    part_of_second: Box
    #: Whether the first shows clearly more of the picture.
    is_cropped: bool
    #: Whether the second has a plain border or a bar, perhaps with words, that the first has not.
    is_framed: bool
    #: Whether the second shows clearly more of the picture.
    extends: bool
    #: How the second looks beside the first.
    tone: Tone
    #: The part of the second in which something else is shown, such as a caption or a logo.
    changed: Box | None
    #: Whether it seems to be the second in which something was added there, and not the first.
    is_captioned: bool
    #: As in ``matrix(a, b, c, d, e, f)`` of SVG and CSS: takes points of the second, in shares of
    #: its width and height, to points of the first, in shares of its own.
    matrix: tuple[float, float, float, float, float, float]
