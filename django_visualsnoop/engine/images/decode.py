"""Decode the bytes of an image file to pixels. Imports no Django.

This neither changes nor depends on settings of the process: ``Image.MAX_IMAGE_PIXELS``,
``ImageFile.LOAD_TRUNCATED_IMAGES`` and the warning filters.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.engine.exceptions import (
    DecodeError,
    EmptyImage,
    ImageTooLarge,
    UndecodableImage,
    UnsupportedImage,
)
from django_visualsnoop.engine.images import animation, depth
from django_visualsnoop.engine.images.capture import Capture, read_capture
from django_visualsnoop.engine.images.formats import (
    Examined,
    avif,
    bmp,
    gif,
    heif,
    jpeg,
    png,
    tiff,
    webp,
)
from django_visualsnoop.engine.images.ground import paste_on_ground
from django_visualsnoop.engine.images.libtiff import silence_libtiff
from django_visualsnoop.engine.images.unevenness import measure_unevenness

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

#: Height x width x 3, red, green, blue, 0 to 255.
Pixels: TypeAlias = "NDArray[np.uint8]"

DEFAULT_MAX_BYTES = 50_000_000
#: Of a picture that has to be held whole, which takes 4 to 17 bytes a pixel, by format. Wallpapers
#: of 66 to 72 million are common.
DEFAULT_MAX_PIXELS = 75_000_000
#: A baseline JPEG shrinks while it is read: it costs time per pixel, but not memory.
SHRINKING_FACTOR = 4
#: Nothing that is described needs more; the longer side, in pixels.
WORK_SIDE = 512

#: Over a picture of max_pixels: what encoders write for CMYK. Smaller ones may have more scans.
_MAX_PASSES = 18
#: Of colours of 16 bits Pillow keeps the high bytes; told that the file is of the other byte
#: order, it keeps the low ones.
_OTHER_BYTES = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}
#: Two values of 16 bits, grey and opacity, are four of 8.
_OTHER_BYTES["LA;16B"] = "RGBA"
#: A frame that is less uneven than this does not show yet what an animation is about.
_SHOWS = 8.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, upright, at most ``WORK_SIDE`` pixels on its longer side.

    Args:
        pixels: height x width x 3, RGB, uint8.
        width, height: the upright size of the picture in the file, in pixels.
        capture: when a camera took it; ``None`` if the file does not say so.
    """

    pixels: Pixels
    width: int
    height: int
    capture: Capture | None = None


@dataclass(frozen=True, slots=True)
class _Format:
    name: str
    examine: Callable[[bytes], Examined]
    plugin: Callable[[io.BytesIO], ImageFile]


class _TiffImageFile(TiffImagePlugin.TiffImageFile):
    """Allocates what ``load_prepare`` would, without asking ``Image.MAX_IMAGE_PIXELS``.

    What libtiff has to say of a broken file is not printed.
    """

    def load(self) -> Any:
        with silence_libtiff():
            return super().load()

    def load_prepare(self) -> None:
        size = getattr(self, "_tile_size", None)
        if size is not None and getattr(self, "_im", None) is None:
            self.im = Image.new(self.mode, size).im
        super().load_prepare()


_JPEG = _Format("JPEG", jpeg.examine, JpegImagePlugin.JpegImageFile)
_PNG = _Format("PNG", png.examine, PngImagePlugin.PngImageFile)
_GIF = _Format("GIF", gif.examine, GifImagePlugin.GifImageFile)
_WEBP = _Format("WebP", webp.examine, WebPImagePlugin.WebPImageFile)
_TIFF = _Format("TIFF", tiff.examine, _TiffImageFile)
_BMP = _Format("BMP", bmp.examine, bmp.load_plugin)
_AVIF = _Format("AVIF", avif.examine, AvifImagePlugin.AvifImageFile)
_HEIF = _Format("HEIF", heif.examine, heif.load_plugin)
READABLE = "JPEG, PNG, GIF, WebP, BMP, TIFF, AVIF and HEIF (HEIC)"


def _find_format(data: bytes) -> _Format:
    if data.startswith(b"\xff\xd8\xff"):
        return _JPEG
    if data.startswith(png.SIGNATURE):
        return _PNG
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _GIF
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _WEBP
    if data.startswith(tiff.STARTS):
        return _TIFF
    if data.startswith(b"BM"):
        return _BMP
    if heif.is_avif(data):
        return _AVIF
    if heif.is_heif(data):
        return _HEIF
    raise UnsupportedImage(f"This file format is not supported. Supported formats: {READABLE}.")


def find_format(data: bytes) -> str:
    """Return the name of the format, such as ``"JPEG"``, from the first bytes.

    Raises:
        UnsupportedImage: the format is not supported.
    """
    return _find_format(data).name


def decode(
    data: bytes,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Picture:
    """Decode an image file into upright RGB pixels.

    This lays transparent pictures on a background (see ``ground``), and stretches values of more
    than 8 bits (see ``depth``).

    Args:
        data: the whole file. If it has pages, this decodes the first; if it is animated, the
            first frame that shows something.
        max_bytes: refuse longer files.
        max_pixels: refuse larger pictures before decoding them. Baseline JPEGs, which are
            reduced while they are read, may have ``SHRINKING_FACTOR`` times as many pixels.

    Raises:
        EmptyImage, UndecodableImage, UnsupportedImage, ImageTooLarge: the kinds
            of ``DecodeError``. Hostile bytes cause no other exception.
    """
    if not data:
        raise EmptyImage("The image is empty (0 bytes).")
    if len(data) > max_bytes:
        raise ImageTooLarge(f"The file has {len(data):,} bytes; at most {max_bytes:,} are allowed.")
    file_format = _find_format(data)
    try:
        examined = file_format.examine(data)
        _check_size(examined, max_pixels)
        image = file_format.plugin(io.BytesIO(examined.data))
        if image.width * image.height > examined.width * examined.height:
            raise UndecodableImage(f"The {file_format.name} gives two different sizes.")
        pixels = _turn_upright(
            _load_telling_pixels(file_format, examined, image, max_pixels), examined
        )
    except DecodeError:
        raise
    except MemoryError as error:
        raise ImageTooLarge("There was not enough memory to decode the picture.") from error
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(
            "The picture has more pixels than this process's Image.MAX_IMAGE_PIXELS allows."
        ) from error
    except Exception as error:  # Pillow raises whatever its parsers stumble on
        if is_interruption(error):
            raise  # a time limit says nothing about the picture
        raise UndecodableImage(
            f"The {file_format.name} is broken or cut off: {str(error).rstrip('.')}."
        ) from error
    turned = examined.orientation >= 5
    width, height = examined.width, examined.height
    return Picture(
        pixels,
        *((height, width) if turned else (width, height)),
        capture=read_capture(examined.exif),
    )


def _check_size(examined: Examined, max_pixels: int) -> None:
    width, height = examined.width, examined.height
    if width < 1 or height < 1:
        raise UndecodableImage(
            f"The header gives the impossible size of {width} x {height} pixels."
        )
    allowed = max_pixels * (SHRINKING_FACTOR if examined.shrinks else 1)
    if examined.decoded_pixels > allowed:
        raise ImageTooLarge(
            f"Decoding the picture takes {examined.decoded_pixels:,} pixels; at most "
            f"{allowed:,} are allowed."
        )
    if width * height > allowed:
        raise ImageTooLarge(
            f"The picture has {width} x {height} pixels; at most {allowed:,} are allowed."
        )
    if width * height * examined.passes > max_pixels * _MAX_PASSES:
        raise ImageTooLarge(
            f"The picture has {width} x {height} pixels in {examined.passes} scans, "
            "which takes too long to decode."
        )


def _load_telling_pixels(
    file_format: _Format, examined: Examined, image: ImageFile, max_pixels: int
) -> Pixels:
    """Return the pixels of the picture; of an animation, of the first frame that shows something.

    If no frame does, of those that are looked at, the most uneven one counts.
    """
    best = _get_pixels(_convert_to_rgb(_load_small(image, examined)))
    most = measure_unevenness(best)
    if most >= _SHOWS:
        return best

    def opened(data: bytes) -> Image.Image:
        return _load(file_format.plugin(io.BytesIO(data)), data)

    count = animation.count_affordable(examined, max_pixels)
    for frame in animation.draw_frames(image, examined, opened, count):
        pixels = _get_pixels(_convert_to_rgb(_reduce(frame)))
        uneven = measure_unevenness(pixels)
        if uneven >= _SHOWS:
            return pixels
        if uneven > most:
            best, most = pixels, uneven
    return best


def _load_small(image: ImageFile, examined: Examined) -> Image.Image:
    """Load the picture, made smaller while that is cheap; never below ``WORK_SIDE`` pixels."""
    if image.format == "JPEG":
        longer = max(image.size)
        width, height = (max(1, side * WORK_SIDE // longer) for side in image.size)
        image.draft(None, (width, height))
    loaded = _load(image, examined.data)
    if examined.torn_block is not None:
        _check_rows(loaded, examined, examined.torn_block)
    # A palette has no means between its colours.
    return loaded if loaded.mode in ("P", "PA", "1") else _reduce(loaded)


def _check_rows(image: Image.Image, examined: Examined, torn_block: tuple[int, int]) -> None:
    """Check that a file that is cut off has every row of its picture.

    Args:
        image: decoded, perhaps made smaller.
        torn_block: width and height in the file's pixels.

    Raises:
        UndecodableImage: it has not, or too much of the last rows is missing.
    """
    last_row = np.asarray(image.crop((0, image.height - 1, *image.size)))[0]
    width, height = torn_block
    block = width * image.width / examined.width, height / examined.height
    if jpeg.measure_missing_share(last_row, block) > jpeg.MAX_MISSING_SHARE:
        raise UndecodableImage(jpeg.MISSING)


def _load(image: ImageFile, data: bytes) -> Image.Image:
    """Return the picture of an opened file, in 8 bits."""
    kept = _find_kept_bytes(image)
    image.load()
    if kept in _OTHER_BYTES and depth.is_dark(image):
        return _load_deep_colours(image, data, _OTHER_BYTES[kept])
    if image.mode in ("LAB", "HSV"):
        raise UnsupportedImage(f"Pictures in the mode {image.mode!r} are not supported.")
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16)
        return Image.fromarray(depth.convert_to_bytes(depth.reduce_values(values, WORK_SIDE)))
    if image.mode in ("I", "F"):
        return Image.fromarray(depth.convert_to_bytes(np.asarray(_reduce(image))))
    return image


def _find_kept_bytes(image: ImageFile) -> str:
    """Return Pillow's name for what it keeps of the file's bytes; empty if it has none."""
    if len(image.tile) != 1:
        return ""
    kept = image.tile[0].args
    return str(kept[0] if isinstance(kept, tuple) else kept)


def _load_deep_colours(image: ImageFile, data: bytes, other: str) -> Image.Image:
    """Return a picture with 16 bits for each colour, if the high bytes are not enough.

    Args:
        image: the high bytes.
        data: the file.
        other: Pillow's name for what to keep to get the low bytes.
    """
    low = type(image)(io.BytesIO(data))
    tile = low.tile[0]
    args = (other, *tile.args[1:]) if isinstance(tile.args, tuple) else other
    low.tile = [tile._replace(args=args)]
    low.load()
    channels = []
    bands = "GGGA" if other == "RGBA" else image.getbands()
    for band, low_band in zip(image.getbands(), bands, strict=True):
        values = np.asarray(image.getchannel(band)).astype(np.uint16) << 8
        values |= np.asarray(low.getchannel(low_band))
        channels.append(depth.reduce_values(values, WORK_SIDE))
    colours = depth.convert_to_bytes(np.dstack(channels[:3]))
    opacity = map(depth.convert_to_bytes, channels[3:])
    return Image.fromarray(np.dstack([colours, *opacity]))


def _reduce(image: Image.Image) -> Image.Image:
    """Return the picture, its longer side less than twice ``WORK_SIDE``."""
    factor = max(image.size) // WORK_SIDE
    if factor <= 1:
        return image
    return image.reduce((min(factor, image.width), min(factor, image.height)))


def _convert_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return paste_on_ground(_reduce(image.convert("RGBA")))
    return _reduce(image if image.mode == "RGB" else image.convert("RGB"))


def _get_pixels(image: Image.Image) -> Pixels:
    return _limit_to_work_side(np.asarray(image))


def _limit_to_work_side(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = WORK_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # What is left is less than a half: the mean of two neighbours each way leaves out no pixel.
    return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _turn_upright(pixels: Pixels, examined: Examined) -> Pixels:
    orientation = examined.orientation
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
