"""BMP. Colours in bits of any layout are read here: Pillow reads the usual layouts alone."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import BmpImagePlugin, Image
from PIL.ImageFile import ImageFile

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.formats import Examined

if TYPE_CHECKING:
    import io

    from numpy.typing import NDArray

_RUNS = (1, 2)
_BITFIELDS, _ALPHA_BITFIELDS = 3, 6
#: Pillow unpacks runs in Python, at about a microsecond each.
_MAX_PIXELS_OF_RUNS = 2_000_000
#: From here on headers hold the masks themselves, and from there on one of opacity, too.
_HEADER_WITH_MASKS, _HEADER_WITH_OPACITY = 52, 56
#: So many pixels are unpacked at once, which takes some bytes of each.
_PIXELS_AT_ONCE = 1_000_000


def examine(data: bytes) -> Examined:
    if len(data) < 26:
        raise UndecodableImage("The BMP is cut off.")
    (header_size,) = struct.unpack_from("<L", data, 14)
    width, height = struct.unpack_from("<HH" if header_size == 12 else "<ll", data, 18)
    compression = _read_compression(data)
    if compression in _RUNS and _is_work(abs(width) * abs(height), len(data)):
        raise ImageTooLarge(
            f"The BMP has more than {_MAX_PIXELS_OF_RUNS:,} pixels in a run-length encoding "
            "that hardly compresses them."
        )
    return Examined(data, abs(width), abs(height))


def _read_compression(data: bytes) -> int:
    (header_size,) = struct.unpack_from("<L", data, 14)
    return int.from_bytes(data[30:34], "little") if header_size > 12 and len(data) >= 34 else 0


def _is_work(pixels: int, length: int) -> bool:
    # Runs that add no pixel cost time, too.
    return pixels > _MAX_PIXELS_OF_RUNS or length > pixels * 3 // 2 + 10_000


def load_plugin(file: io.BytesIO) -> ImageFile:
    if _read_compression(file.getvalue()) in (_BITFIELDS, _ALPHA_BITFIELDS):
        return _BitfieldsImageFile(file)
    return BmpImagePlugin.BmpImageFile(file)


class _BitfieldsImageFile(ImageFile):
    """A BMP whose pixels are numbers of 16, 24 or 32 bits, some for each colour."""

    format = "BMP"

    def _open(self) -> None:
        assert self.fp is not None
        content = self.fp.read()
        (self._start,) = struct.unpack_from("<L", content, 10)
        (header_size,) = struct.unpack_from("<L", content, 14)
        width, height, _, bits = struct.unpack_from("<llHH", content, 18)
        masks = list(struct.unpack_from("<LLL", content, 54))
        is_alpha = _read_compression(content) == _ALPHA_BITFIELDS
        if is_alpha or header_size >= _HEADER_WITH_OPACITY:
            masks += struct.unpack_from("<L", content, 66)
        if header_size < 40 or bits not in (16, 24, 32) or width < 1 or not height:
            raise OSError("unusual header")
        if not any(masks):
            masks = [0xFF0000, 0xFF00, 0xFF] if bits > 16 else [0x7C00, 0x3E0, 0x1F]
        self._size = width, abs(height)
        self._masks, self._bits, self._is_downwards = masks, bits, height < 0
        self._mode = "RGBA" if len(masks) == 4 and masks[3] else "RGB"
        for mask in masks:
            shifted = mask >> _count_zeros(mask)
            if mask >> bits or shifted & (shifted + 1):
                raise OSError("unusual masks")

    def load(self) -> Any:
        if self._im is None:
            self.im = self._unpack().im
        return Image.Image.load(self)

    def _unpack(self) -> Image.Image:
        assert self.fp is not None
        width, height = self.size
        stride = (width * self._bits + 31) // 32 * 4
        content = memoryview(self.fp.getbuffer())  # type: ignore[attr-defined]
        if self._start + stride * height > len(content):
            raise OSError("rows of the picture are missing")
        image = Image.new(self.mode, self.size)
        rows_at_once = max(1, _PIXELS_AT_ONCE // width)
        for top in range(0, height, rows_at_once):
            count = min(rows_at_once, height - top)
            first = top if self._is_downwards else height - top - count
            start = self._start + first * stride
            rows = np.frombuffer(content, np.uint8, count * stride, start).reshape(count, stride)
            if not self._is_downwards:
                rows = rows[::-1]
            image.paste(
                Image.fromarray(self._unpack_rows(rows[:, : width * self._bits // 8])), (0, top)
            )
        if self.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
            # Nothing would be seen: whoever wrote it has not thought of opacity.
            image.putalpha(255)
        return image

    def _unpack_rows(self, rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return pixels of rows of bytes: height x width x 3 or 4."""
        size = self._bits // 8
        numbers: NDArray[np.uint32]
        if size == 3:
            parts = rows.reshape(len(rows), -1, 3).astype(np.uint32)
            numbers = np.bitwise_or.reduce(parts << np.array([0, 8, 16], np.uint32), axis=2)
        else:
            numbers = np.ascontiguousarray(rows).view(f"<u{size}").astype(np.uint32)
        channels = [_scale(numbers, mask) for mask in self._masks[: len(self.getbands())]]
        return np.dstack(channels)


def _count_zeros(mask: int) -> int:
    """Return how many bits are below a mask's lowest one."""
    return (mask & -mask).bit_length() - 1 if mask else 0


def _scale(numbers: NDArray[np.uint32], mask: int) -> NDArray[np.uint8]:
    """Return the bits of a mask as bytes: its largest value is 255."""
    shift = _count_zeros(mask)
    top = mask >> shift
    values = (numbers & np.uint32(mask)) >> np.uint32(shift)
    if top > 255:  # only the highest eight bits are told apart
        return (values >> np.uint32(top.bit_length() - 8)).astype(np.uint8)
    return ((values * np.uint32(255) + np.uint32(top // 2)) // np.uint32(max(top, 1))).astype(
        np.uint8
    )
