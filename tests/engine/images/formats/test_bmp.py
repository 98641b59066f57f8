"""What the examination of a BMP bounds."""

from __future__ import annotations

import struct

import pytest

from django_visualsnoop.engine.exceptions import ImageTooLarge
from django_visualsnoop.engine.images.decode import decode


def bmp_of_runs(width: int, height: int, runs: bytes) -> bytes:
    information = struct.pack("<LllHHLLllLL", 40, width, height, 1, 8, 1, len(runs), 0, 0, 2, 0)
    palette = bytes([30, 30, 220, 0, 0, 0, 0, 0])
    return struct.pack("<2sLHHL", b"BM", 62 + len(runs), 0, 0, 62) + information + palette + runs


def test_bmp_of_runs() -> None:
    assert decode(bmp_of_runs(200, 2, b"\xc8\0\0\0" * 2)).pixels[0, 0].tolist() == [220, 30, 30]
    for hostile in (
        bmp_of_runs(2_000_001, 1, b"\1\1\0\0\0\1"),  # one pixel, and the rest of a row
        bmp_of_runs(200, 2, b"\0\0" * 6000),  # runs of nothing
    ):
        with pytest.raises(ImageTooLarge, match="run-length"):
            decode(hostile)
