"""What the examination of a GIF bounds and keeps."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from django_visualsnoop.engine.exceptions import ImageTooLarge
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.images.formats import MAX_PARTS, gif
from tests.engine.images.corners import assert_corners, corners
from tests.engine.pictures import saved


def test_gif_bomb_in_the_frame() -> None:
    content = bytearray(saved(Image.new("P", (4, 4)), "GIF"))
    place = content.index(b"\x2c")
    struct.pack_into("<HH", content, place + 5, 60_000, 60_000)
    with pytest.raises(ImageTooLarge, match="60000 x 60000"):
        decode(bytes(content))


def test_gif_of_very_many_blocks() -> None:
    content = saved(corners(), "GIF")
    place = 13 + gif._compute_palette_size(content[10])
    before, after = content[:place], content[place:]
    assert_corners(before + b"\0" * 5_000_000 + b"\x21\xfe\0" * 1000 + after)
    with pytest.raises(ImageTooLarge, match="before its picture"):
        decode(before + b"\x21\xfe\0" * MAX_PARTS + after)
    with pytest.raises(ImageTooLarge, match="in a row"):
        decode(before + b"\x21\xfe" + b"\1\1" * (10 * MAX_PARTS) + b"\0" + after)


def test_a_gifs_control_block_is_cut_to_what_it_says() -> None:
    content = saved(Image.new("P", (8, 8), 1), "GIF", transparency=1)
    place = content.index(b"\x21\xf9\x04")
    longer = content[: place + 7] + b"\1\1" * 1000 + content[place + 7 :]
    assert gif.examine(longer).data == gif.examine(content).data
