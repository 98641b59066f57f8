"""A small picture that is kept of each image, to lay it over another. Imports no Django."""

from __future__ import annotations

import io
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

#: The longer side of a thumbnail, in pixels.
THUMBNAIL_SIDE = 128
#: Qualities of the WebP, best first. The first that fits into ``_MAX_BYTES`` is used, or the last.
_QUALITIES = 40, 20, 5
_MAX_BYTES = 2500
#: The slowest of WebP's methods that takes about 2 ms; faster ones take a quarter more space.
_METHOD = 4
#: Stored bytes of other sizes are broken.
_LARGEST = 16_384
#: How many decoded thumbnails a process keeps, each of at most 48 kB: a query meets each candidate
#: once, but the query is the same each time.
_DECODED = 32


class Thumbnail:
    """A small picture; it is made when its content is first read.

    Args:
        source: the pixels of any size (height x width x 3, RGB, uint8), or bytes that ``encode``
            returned.
    """

    def __init__(self, source: Pixels | bytes) -> None:
        self._source = source

    @cached_property
    def content(self) -> bytes:
        """The bytes that ``encode`` returns."""
        return self._source if isinstance(self._source, bytes) else encode(self._source)

    @property
    def pixels(self) -> Pixels | None:
        """Height x width x 3, RGB, uint8, read-only; ``None`` if the bytes are broken.

        Those made of pixels are compressed as stored ones are: what compressing changes would be a
        difference.
        """
        return _decode(self.content)


def encode(pixels: Pixels) -> bytes:
    """Return a picture's thumbnail as WebP: about 1.6 kB, at most some 3 kB.

    Args:
        pixels: height x width x 3, RGB, uint8, of any size.
    """
    image = Image.fromarray(_shrink(pixels))
    for quality in _QUALITIES:
        written = io.BytesIO()
        image.save(written, "WEBP", quality=quality, method=_METHOD)
        if written.tell() <= _MAX_BYTES:
            break
    return written.getvalue()


def is_thumbnail(content: bytes) -> bool:
    """Return whether ``encode`` may have returned these bytes."""
    return _decode(content) is not None


def _shrink(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    factor = THUMBNAIL_SIDE / max(height, width)
    if factor >= 1:
        return np.ascontiguousarray(pixels)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


@lru_cache(_DECODED)
def _decode(content: bytes) -> Pixels | None:
    """Return the pixels; ``None`` if the bytes are broken, or larger than any thumbnail."""
    if len(content) > _LARGEST:
        return None
    try:
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as image:
            if max(image.size) > THUMBNAIL_SIDE:
                return None
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError):
        return None
