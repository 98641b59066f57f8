"""Picture files drawn on the spot, of kinds that Pillow does not write."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    #: Tag, type (3 is SHORT, 4 is LONG, 5 is RATIONAL, 16 is LONG8) and values.
    Tag = tuple[int, int, Sequence[Any]]

WHITE, BLACK, CLEAR = (255, 255, 255, 255), (0, 0, 0, 255), (0, 0, 0, 0)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def logo(
    words: str,
    ink: tuple[int, ...],
    ground: tuple[int, ...] = CLEAR,
    size: tuple[int, int] = (400, 200),
) -> Image.Image:
    """Return words in a picture with transparency."""
    image = Image.new("RGBA", size, ground)
    draw = ImageDraw.Draw(image)
    draw.text((30, 60), words, fill=ink, font=ImageFont.load_default(70))
    return image


def animated(frames: Sequence[Image.Image], kind: str, **options: Any) -> bytes:
    first, *others = frames
    return saved(first, kind, save_all=True, append_images=others, duration=100, **options)


def png_of_16_bits(values: NDArray[np.uint16]) -> bytes:
    """Return a PNG of 16 bits a value: height x width, or x 2 to 4 channels."""
    height, width = values.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2] if values.ndim == 3 else 1]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">LLBBBBB", width, height, 16, kind, 0, 0, 0)

    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">L", zlib.crc32(name + body))
        return struct.pack(">L", len(body)) + name + body + checksum

    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(
    tags: Sequence[Tag],
    strips: Sequence[bytes],
    *,
    order: str = "<",
    tiled: bool = False,
    tables: Mapping[int, Sequence[bytes]] | None = None,
    big: bool = False,
) -> bytes:
    """Return a TIFF of one picture.

    Args:
        tags: those of the picture, but for the places of its parts.
        strips: its strips or tiles.
        order: of bytes; ">" for the larger first.
        tiled: whether ``strips`` are tiles.
        tables: by tag, parts of the file that the tag's values give the places of.
        big: whether to write a BigTIFF, with places of 64 bits.
    """
    tables = {324 if tiled else 273: strips, **(tables or {})}
    plain = [*tags, (325 if tiled else 279, 4, [len(one) for one in strips])]

    def placed(start: int) -> tuple[list[Tag], bytes]:
        body, found = b"", list(plain)
        for tag, parts in tables.items():
            places = []
            for part in parts:
                places.append(start + len(body))
                body += part
            found.append((tag, 16 if big else 4, places))
        return found, body

    start = len(_directory(placed(0)[0], order, big))
    found, body = placed(start)
    return _directory(found, order, big) + body


def _directory(tags: Sequence[Tag], order: str, big: bool) -> bytes:
    formats = {3: "H", 4: "L", 5: "LL", 16: "Q"}
    place = 16 + 8 + 20 * len(tags) + 8 if big else 8 + 2 + 12 * len(tags) + 4
    inside, number = (8, "Q") if big else (4, "L")
    entries, outside = b"", b""
    for tag, kind, values in sorted(tags, key=lambda one: one[0]):
        raw = b"".join(
            struct.pack(order + formats[kind], *(one if isinstance(one, tuple) else (one,)))
            for one in values
        )
        where = raw.ljust(inside, b"\0")
        if len(raw) > inside:
            where = struct.pack(order + number, place + len(outside))
            outside += raw
        entries += struct.pack(order + "HH" + number, tag, kind, len(values)) + where
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    start += struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "L", 8)
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    return start + count + entries + bytes(inside) + outside


def bmp_of_bits(
    values: NDArray[np.uint8 | np.uint16],
    masks: Sequence[int],
    bits: int,
    *,
    header_size: int = 40,
    compression: int = 3,
    downwards: bool = False,
) -> bytes:
    """Return a BMP whose colours, and opacity, are in bits of the masks' places.

    Args:
        values: height x width x colours, as many as masks, each as large as its mask allows.
        masks: of red, green and blue, and of opacity.
        bits: of a pixel, 16 or 32.
        header_size: of the second header, 40 to 124.
        compression: 3, or 6 where masks of four follow a header of 40.
        downwards: whether the first row is the upper one.
    """
    height, width = values.shape[:2]
    numbers = sum(
        values[..., index].astype(np.uint64) << ((mask & -mask).bit_length() - 1)
        for index, mask in enumerate(masks)
        if mask
    )
    rows = [row.tobytes() for row in np.asarray(numbers).astype(f"<u{bits // 8}")]
    body = b"".join(row + bytes(-len(row) % 4) for row in (rows if downwards else rows[::-1]))
    size = width, -height if downwards else height
    header = struct.pack(
        "<LllHHLLllLL", header_size, *size, 1, bits, compression, len(body), 0, 0, 0, 0
    )
    header += struct.pack(f"<{len(masks)}L", *masks)
    header = header.ljust(header_size, b"\0")
    start = 14 + len(header)
    return struct.pack("<2sLHHL", b"BM", start + len(body), 0, 0, start) + header + body
