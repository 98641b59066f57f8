"""Values of more than 8 bits to bytes, stretched by what they hold. Imports no Django.

Cameras, scanners and microscopes write 10, 12 or 14 bits into files of 16, where their highest
bytes alone are almost black. What shows the picture is the part of the range that it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Values = NDArray[np.uint16 | np.int32 | np.float32]

#: The largest values of 8, 10, 12, 14, 16, 24 and 32 bits. What is darker than the range of its
#: bits stays so, as in an export of 8 bits.
_TOPS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0, 2.0**24 - 1, 2.0**32 - 1)
#: One in so many pixels may be hot or dead, and at least one …
_FAULTY = 1000
#: … of pictures with so many pixels.
_FAULTY_FROM = 100
#: Less than this share of the range, as in a scan of heat, shows nothing unless it fills it …
_NARROW = 1 / 16
#: … but fewer steps than this are noise.
_STEPS = 16


def is_dark(image: Image.Image) -> bool:
    """Return whether hardly a byte of the colours is above a quarter of the range."""
    counts = np.reshape(image.histogram(), (-1, 256))[:3, 64:].sum(axis=1)
    return bool((counts <= max(1, image.width * image.height // _FAULTY)).all())


def reduce_values(values: Values, side: int) -> Values:
    """Return values with the longer side less than twice ``side``; means of what was there.

    Args:
        values: height x width, or height x width x channels.
        side: in pixels.
    """
    height, width = values.shape[:2]
    factor = max(height, width) // side
    if factor <= 1:
        return values
    size = max(1, width // factor), max(1, height // factor)
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA).astype(values.dtype, copy=False)


def convert_to_bytes(values: Values) -> NDArray[np.uint8]:
    """Return values as bytes, 0 to 255.

    Args:
        values: whole numbers, or floating point: those are 0 to 1, if none is larger.
    """
    whole = np.issubdtype(values.dtype, np.integer)
    # Before they are cast: that of a signalling NaN warns.
    floats = np.nan_to_num(values, posinf=0.0, neginf=0.0).astype(np.float64)
    bottom, top = _find_range(floats, whole=whole)
    stretched = np.rint((floats - bottom) * (255 / (top - bottom)))
    return np.clip(stretched, 0, 255).astype(np.uint8)


def _find_range(floats: NDArray[np.float64], *, whole: bool) -> tuple[float, float]:
    """Return what becomes black and what becomes white."""
    low, high = _find_held_range(floats)
    top = next((one for one in _TOPS if high <= one), high)
    if not whole and high <= 1:
        top = 1.0
    if low < 0:
        return low, max(high, low + 1)
    fewest_steps = max(float(_STEPS) if whole else 0.0, top / 4096)
    if fewest_steps <= high - low < _NARROW * top:
        return low, high
    return 0.0, top


def _find_held_range(floats: NDArray[np.float64]) -> tuple[float, float]:
    """Return the least and the largest value, but for those of faulty pixels."""
    flat: NDArray[Any] = floats.ravel()
    faulty = max(1, flat.size // _FAULTY) if flat.size >= _FAULTY_FROM else 0
    ordered = np.partition(flat, (faulty, flat.size - 1 - faulty))
    return float(ordered[faulty]), float(ordered[flat.size - 1 - faulty])
