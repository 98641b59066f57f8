"""The first frame of an animation that shows something. Imports no Django."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from PIL import Image

from django_visualsnoop.engine.images.formats import After

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL.ImageFile import ImageFile

    from django_visualsnoop.engine.images.formats import Examined, Frame

#: So many frames are looked at, …
MAX_FRAMES = 100


def count_affordable(examined: Examined, max_pixels: int) -> int:
    """Return how many frames may be looked at: … which together cost as much as one picture."""
    return min(MAX_FRAMES, max_pixels // (examined.width * examined.height))


def draw_frames(
    image: ImageFile,
    examined: Examined,
    opened: Callable[[bytes], Image.Image],
    count: int,
) -> Iterator[Image.Image]:
    """Yield the pictures that an animation shows; one alone if it is none.

    Args:
        image: the opened file.
        examined: of the file.
        opened: returns the picture, of 8 bits, in a file of one frame.
        count: at most so many.
    """
    if count < 2:
        return  # the first frame is known, and to draw it again would take much memory
    if examined.frames is not None:
        some = islice(examined.frames(), count)
        yield from _draw(some, (examined.width, examined.height), opened)
        return
    for number in range(1, min(count, getattr(image, "n_frames", 1))):
        image.seek(number)
        image.load()
        yield image.copy()


def _draw(
    frames: Iterator[Frame], size: tuple[int, int], opened: Callable[[bytes], Image.Image]
) -> Iterator[Image.Image]:
    """Yield what is seen once each frame is drawn over those before it."""
    canvas = Image.new("RGBA", size)
    for frame in frames:
        drawn = opened(frame.data).convert("RGBA")
        before = canvas.copy() if frame.after is After.RESTORE else canvas
        if frame.replaces:
            canvas.paste(drawn, (frame.left, frame.top))
        else:
            canvas.alpha_composite(drawn, (frame.left, frame.top))
        yield canvas.copy()
        if frame.after is After.RESTORE:
            canvas = before
        elif frame.after is After.CLEAR:
            canvas.paste((0, 0, 0, 0), (frame.left, frame.top, *_end(frame)))


def _end(frame: Frame) -> tuple[int, int]:
    return frame.left + frame.width, frame.top + frame.height
