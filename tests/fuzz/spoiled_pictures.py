"""Good picture files, drawn on the spot, and seeded damage to them."""

from __future__ import annotations

import io
import random
import re
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL
from PIL import Image, ImageDraw, features
from pillow_heif.as_plugin import _save_heif

if TYPE_CHECKING:
    from collections.abc import Callable

PNG = b"\x89PNG\r\n\x1a\n"
_ODD = [0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x100, 3000, 0x7FFF, 0x8000, 0xFFFF]
_ODD_LONG = [*_ODD, 0x10000, 50_000_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF]


def drawn(width: int = 90, height: int = 70) -> Image.Image:
    """Return a picture with flat parts, a gradient and some noise."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse((5, 5, width // 2, height // 2), fill=(200, 30, 60))
    draw.rectangle((width // 2, height // 3, width - 5, height - 5), fill=(20, 90, 220))
    noise = random.Random(1).randbytes(24 * 24 * 3)
    image.paste(Image.frombytes("RGB", (24, 24), noise), (width // 3, height // 3))
    return image


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@cache
def good_files() -> dict[str, bytes]:
    """Return undamaged files of all kinds that are read, by name."""
    image = drawn()
    alpha = image.copy()
    alpha.putalpha(Image.radial_gradient("L").resize(image.size))

    def frames() -> dict[str, Any]:  # new ones each time: saving leaves its traces in them
        return {"save_all": True, "append_images": [image.rotate(90), image.rotate(180)]}

    blank = Image.new("RGB", image.size, "white")
    sixteen = Image.fromarray((np.arange(90 * 70) * 10).astype(np.uint16).reshape(70, 90))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    files = {
        "baseline.jpg": written(image, "JPEG"),
        "exif.jpg": written(image, "JPEG", exif=exif, comment=b"words", icc_profile=b"x" * 200),
        "progressive.jpg": written(image, "JPEG", progressive=True),
        "restarts.jpg": written(image, "JPEG", restart_marker_rows=1, subsampling=0),
        "cmyk.jpg": written(image.convert("CMYK"), "JPEG"),
        "grey.jpg": written(image.convert("L"), "JPEG"),
        "cut_off.jpg": written(image, "JPEG")[:-20],
        "cut_off_progressive.jpg": written(image, "JPEG", progressive=True)[:-20],
        "pages.mpo": written(image, "MPO", **frames()),
        "colour.png": written(image, "PNG"),
        "alpha.png": written(alpha, "PNG", exif=exif),
        "sixteen.png": written(sixteen, "PNG"),
        "sixteen_colours.png": _png(image, depth=16),
        "interlaced.png": _png(image, interlaced=True),
        "twelve_bits.png": _png(image, depth=16, dark=True),
        "blank_first.png": written(blank, "PNG", **frames()),
        "blank_first.gif": written(blank, "GIF", disposal=2, **frames()),
        "blank_first.webp": written(blank, "WEBP", **frames()),
        "logo.png": written(_logo(), "PNG"),
        "float.tif": written(image.convert("F"), "TIFF"),
        "palette.png": written(image.quantize(64), "PNG", transparency=3),
        "bits.png": written(image.convert("1"), "PNG"),
        "animated.png": written(image, "PNG", **frames()),
        "still.gif": written(image, "GIF", transparency=1),
        "interlaced.gif": written(image.convert("L"), "GIF", interlace=1),
        "animated.gif": written(image, "GIF", disposal=2, comment=b"words", **frames()),
        "lossy.webp": written(image, "WEBP", exif=exif),
        "lossless.webp": written(image, "WEBP", lossless=True),
        "alpha.webp": written(alpha, "WEBP"),
        "animated.webp": written(image, "WEBP", **frames()),
        "colour.bmp": written(image, "BMP"),
        "palette.bmp": written(image.quantize(64), "BMP"),
        "bits.bmp": written(image.convert("1"), "BMP"),
        "runs.bmp": _bmp_of_runs(),
        "bits.bmp16": _bmp_of_bits(image, 16, 40, (0xF800, 0x7E0, 0x1F)),
        "bits.bmp32": _bmp_of_bits(alpha, 32, 108, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
        "big.tif": _big_tiff(image),
        "alpha.tif": written(alpha, "TIFF", compression="tiff_lzw"),
        "cmyk.tif": written(image.convert("CMYK"), "TIFF"),
        "sixteen.tif": written(sixteen, "TIFF", compression="tiff_deflate"),
        "palette.tif": written(image.quantize(64), "TIFF", compression="packbits"),
        "fax3.tif": written(image.convert("1"), "TIFF", compression="group3"),
        "fax3_2d.tif": written(image.convert("1"), "TIFF", compression="group3", tiffinfo={292: 5}),
        "fax4.tif": written(image.convert("1"), "TIFF", compression="group4"),
        "exif.tif": written(drawn(), "TIFF", exif=exif, **frames()),
    }
    compressions = ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "lzma"]
    if int(PIL.__version__.partition(".")[0]) >= 13:  # older wheels cannot write it
        compressions.append("zstd")
    for compression in compressions:
        files[f"{compression}.tif"] = written(image, "TIFF", compression=compression)
    files["still.heic"] = _heic(drawn())
    files["turned.heic"] = _heic(drawn(), exif=exif)
    files["tiles.heic"] = _heic(drawn(), tile_size=64)
    files["alpha.heic"] = _heic(alpha)
    if features.check("avif"):
        files["lossy.avif"] = written(image, "AVIF", exif=exif)
        files["alpha.avif"] = written(alpha, "AVIF", quality=90, subsampling="4:4:4")
        files["animated.avif"] = written(image, "AVIF", **frames())
    return files


def mutant(seed: int, number: int) -> tuple[str, bytes]:
    """Return the ``number``-th damaged file of a seed, and the name of the good one."""
    dice = random.Random(f"{seed}:{number}")
    files = good_files()
    name = dice.choice(list(files))
    data = bytearray(files[name])
    for _ in range(dice.choice([1, 1, 1, 2, 3, 8])):
        if data:
            dice.choice(_DAMAGES)(data, dice)
    if data.startswith(PNG) and dice.random() < 0.7:
        _mend_checksums(data)
    return name, bytes(data)


def _flip_bits(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice([1, 1, 2, 16])):
        data[_place(data, dice)] ^= 1 << dice.randrange(8)


def _overwrite_run(data: bytearray, dice: random.Random) -> None:
    place = _place(data, dice)
    length = min(dice.choice([1, 2, 4, 30, 300]), len(data) - place)
    data[place : place + length] = dice.choice(
        [dice.randbytes(length), bytes(length), b"\xff" * length]
    )


def _truncate(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def _remove(data: bytearray, dice: random.Random) -> None:
    place = _place(data, dice)
    del data[place : place + dice.choice([1, 2, 3, 10, 200])]


def _repeat(data: bytearray, dice: random.Random) -> None:
    start = _place(data, dice)
    part = data[start : start + dice.choice([1, 4, 12, 100, 5000])]
    place = dice.choice([start, _place(data, dice)])
    data[place:place] = part * dice.choice([1, 1, 2, 50])


def _splice(data: bytearray, dice: random.Random) -> None:
    other = dice.choice(list(good_files().values()))
    start = dice.randrange(len(other))
    place = dice.randrange(len(data))
    part = other[start : start + dice.choice([8, 100, 100_000])]
    if dice.random() < 0.5:
        data[place:place] = part
    else:
        data[place : place + len(part)] = part


def _set_field(data: bytearray, dice: random.Random) -> None:
    fields = _fields(data)
    place = dice.choice(fields) if fields else _place(data, dice)
    order = dice.choice("<>")
    if dice.random() < 0.5:
        new = struct.pack(order + "L", dice.choice(_ODD_LONG))
    else:
        new = struct.pack(order + "H", dice.choice(_ODD))
    data[place : place + len(new)] = new


_DAMAGES: list[Callable[[bytearray, random.Random], None]] = [
    _flip_bits,
    _overwrite_run,
    _truncate,
    _remove,
    _repeat,
    _splice,
    _set_field,
    _set_field,
]

_NAMES = re.compile(
    rb"IHDR|PLTE|tRNS|IDAT|acTL|fcTL|fdAT|VP8[ LX]|ALPH|ANMF|"
    rb"ispe|iloc|av1C|hvcC|irot|iref|pitm|infe|meta|mdat|stsz"
)


def _place(data: bytearray, dice: random.Random) -> int:
    """Return a place, half the time near the beginning, where the headers are."""
    return dice.randrange(min(len(data), 400) if dice.random() < 0.5 else len(data))


def _fields(data: bytearray) -> list[int]:
    """Return where lengths and dimensions are."""
    if data.startswith(b"\xff\xd8"):
        segments = [found.start() + 2 for found in re.finditer(rb"\xff[\xc0-\xcf\xda-\xfe]", data)]
        frames = [found.start() + 5 for found in re.finditer(rb"\xff[\xc0-\xc2]", data)]
        return segments + frames + [place + 2 for place in frames]
    if data.startswith(b"II+") and len(data) > 16:
        (start,) = struct.unpack_from("<Q", data, 8)
        entries = range(start + 8, min(start + 400, len(data)), 20)
        return [4, 8, start] + [entry + inside for entry in entries for inside in (0, 2, 4, 12)]
    if data.startswith((b"II", b"MM")) and len(data) > 8:
        (start,) = struct.unpack_from("<L" if data[0] == 0x49 else ">L", data, 4)
        entries = range(start + 2, min(start + 300, len(data)), 12)
        return [4, start] + [entry + inside for entry in entries for inside in (0, 2, 4, 8)]
    if data.startswith(b"BM"):
        return [2, 10, 14, 18, 20, 22, 26, 28, 30, 34, 46, 54, 58, 62, 66]
    if data.startswith(b"GIF"):
        frames = [found.start() for found in re.finditer(b",", data[:2000])]
        return [6, 8, 10, *(frame + inside for frame in frames for inside in (1, 3, 5, 7, 9, 10))]
    names = [found.start() for found in _NAMES.finditer(data)]
    return [place + inside for place in names for inside in (-4, 4, 8, 12, 16)]


def _mend_checksums(data: bytearray) -> None:
    position = len(PNG)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">L", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        struct.pack_into(">L", data, end, zlib.crc32(data[position + 4 : end]))
        position = end + 4


def _logo() -> Image.Image:
    """Return a white drawing on nothing."""
    logo = Image.new("RGBA", (90, 70))
    ImageDraw.Draw(logo).ellipse((5, 5, 60, 60), outline="white", width=6)
    return logo


def _heic(image: Image.Image, **options: Any) -> bytes:
    """Write a HEIC without making its plugin known to Pillow, which is the process's affair."""
    file = io.BytesIO()
    image.encoderinfo = {"quality": 90, **options}
    _save_heif(image, file, "")
    return file.getvalue()


def _png(image: Image.Image, depth: int = 8, interlaced: bool = False, dark: bool = False) -> bytes:
    """Write what Pillow does not: sixteen bits a colour, and Adam7."""
    pixels = np.asarray(image).astype(np.uint16) * (16 if dark else 1)
    steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes = [*steps, (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]
    rows = b"".join(
        b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes()
        for top, left, down, right in passes
        for row in pixels[top::down, left::right]
    )

    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">L", zlib.crc32(name + body))
        return struct.pack(">L", len(body)) + name + body + checksum

    header = struct.pack(">LLBBBBB", *image.size, depth, 2, 0, 0, interlaced)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _bmp_of_bits(image: Image.Image, bits: int, header_size: int, masks: tuple[int, ...]) -> bytes:
    """Write what Pillow does not: a BMP of colours in bits."""
    values = np.asarray(image).astype(np.uint32)
    numbers = np.zeros(values.shape[:2], np.uint32)
    for index, mask in enumerate(masks):
        shift = (mask & -mask).bit_length() - 1
        numbers |= values[..., index] * (mask >> shift) // 255 << shift
    rows = numbers[::-1].astype(f"<u{bits // 8}").tobytes()  # of an even width: not padded
    size = image.size
    information = struct.pack("<LllHHLLllLL", header_size, *size, 1, bits, 3, 0, 0, 0, 0, 0)
    information += struct.pack(f"<{len(masks)}L", *masks)
    information = information.ljust(header_size, b"\0")
    offset = 14 + len(information)
    header = struct.pack("<2sLHHL", b"BM", offset + len(rows), 0, 0, offset)
    return header + information + rows


def _big_tiff(image: Image.Image) -> bytes:
    """Write what old versions of Pillow do not: a BigTIFF, with values of all sizes."""
    strips = [zlib.compress(strip.tobytes()) for strip in np.split(np.asarray(image), 2)]
    tags = [(256, 3, [image.width]), (257, 4, [image.height]), (258, 3, [8, 8, 8])]
    tags += [(259, 3, [8]), (262, 3, [2]), (277, 3, [3]), (278, 16, [image.height // 2])]
    tags += [(273, 16, [0, len(strips[0])]), (279, 4, [len(strip) for strip in strips])]
    first = 16 + 8 + 20 * len(tags) + 8 + 16
    entries = b""
    for tag, kind, values in sorted(tags):
        placed = [first + value for value in values] if tag == 273 else values
        content = struct.pack(f"<{len(values)}{ {3: 'H', 4: 'L', 16: 'Q'}[kind] }", *placed)
        if len(content) > 8:
            places, content = content, struct.pack("<Q", first - 16)
        entries += struct.pack("<HHQ", tag, kind, len(values)) + content.ljust(8, b"\0")
    header = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, len(tags))
    return header + entries + bytes(8) + places + b"".join(strips)


def _bmp_of_runs() -> bytes:
    """Write what Pillow does not: a BMP in RLE8."""
    row, skipping = bytes([40, 3, 0, 4, 1, 2, 3, 4, 46, 7]), bytes([40, 3, 0, 2, 4, 0, 46, 7])
    rows = (row + b"\0\0") * 68 + skipping + b"\0\0" + row + b"\0\1"
    palette = b"".join(bytes([value * 16, 255 - value * 9, value, 0]) for value in range(16))
    information = struct.pack("<LllHHLLllLL", 40, 90, 70, 1, 8, 1, len(rows), 0, 0, 16, 0)
    offset = 14 + len(information) + len(palette)
    header = struct.pack("<2sLHHL", b"BM", offset + len(rows), 0, 0, offset)
    return header + information + palette + rows
