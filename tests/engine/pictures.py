"""Picture files drawn on the spot, of kinds that Pillow does not write."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    #: Tag, type (3 is SHORT, 4 is LONG, 5 is RATIONAL) and values.
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
) -> bytes:
    """Return a TIFF of one picture.

    Args:
        tags: those of the picture, but for the places of its parts.
        strips: its strips or tiles.
        order: of bytes; ">" for the larger first.
        tiled: whether ``strips`` are tiles.
        tables: by tag, parts of the file that the tag's values give the places of.
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
            found.append((tag, 4, places))
        return found, body

    start = len(_directory(placed(0)[0], order))
    found, body = placed(start)
    return _directory(found, order) + body


def _directory(tags: Sequence[Tag], order: str) -> bytes:
    formats = {3: "H", 4: "L", 5: "LL"}
    place = 8 + 2 + 12 * len(tags) + 4
    entries, outside = b"", b""
    for tag, kind, values in sorted(tags, key=lambda one: one[0]):
        raw = b"".join(
            struct.pack(order + formats[kind], *(one if isinstance(one, tuple) else (one,)))
            for one in values
        )
        where = raw.ljust(4, b"\0")
        if len(raw) > 4:
            where = struct.pack(order + "L", place + len(outside))
            outside += raw
        entries += struct.pack(order + "HHL", tag, kind, len(values)) + where
    start = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(order + "H", len(tags))
    return start + struct.pack(order + "L", 8) + count + entries + bytes(4) + outside
