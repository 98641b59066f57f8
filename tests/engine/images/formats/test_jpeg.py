"""What the examination of a JPEG bounds and keeps."""

from __future__ import annotations

import re
import struct
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.images.formats import MAX_PARTS, jpeg
from tests.engine.images.corners import assert_corners, corners
from tests.engine.pictures import saved

if TYPE_CHECKING:
    from pathlib import Path


def test_baseline_jpegs_may_be_larger() -> None:
    content = saved(corners(200, 100), "JPEG")
    decode(content, max_pixels=5_000)
    with pytest.raises(ImageTooLarge):
        decode(content, max_pixels=4_999)
    progressive = saved(corners(200, 100), "JPEG", progressive=True)
    decode(progressive, max_pixels=20_000)
    with pytest.raises(ImageTooLarge):
        decode(progressive, max_pixels=19_999)


def test_jpeg_of_very_many_scans() -> None:
    content = saved(corners(200, 100), "JPEG", progressive=True)
    scan = content.rindex(b"\xff\xda")
    bomb = content[:-2] + content[scan:-2] * 500 + content[-2:]
    with pytest.raises(ImageTooLarge, match="scans"):
        decode(bomb, max_pixels=20_000)


def jpeg_header(frame: int, components: int, in_first_scan: int) -> bytes:
    sof = struct.pack(">BHHB", 8, 60, 80, components) + bytes(3 * components)
    sos = bytes([in_first_scan]) + bytes(2 * in_first_scan + 3)
    return b"".join(
        struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
        for marker, body in ((frame, sof), (0xDA, sos))
    )


@pytest.mark.parametrize(
    ("frame", "in_first_scan", "shrinks"),
    [(0xC0, 3, True), (0xC1, 3, True), (0xC0, 1, False), (0xC2, 3, False), (0xC9, 3, False)],
)
def test_only_jpegs_of_one_scan_shrink(frame: int, in_first_scan: int, shrinks: bool) -> None:
    content = b"\xff\xd8" + jpeg_header(frame, 3, in_first_scan) + b"\0\0\xff\xd9"
    assert jpeg.examine(content).shrinks is shrinks


def test_a_film_behind_a_jpeg_has_no_scans() -> None:
    content = saved(corners(), "JPEG", quality=95)
    examined = jpeg.examine(content + b"\xff\xda" * 5000)
    assert (examined.passes, examined.data[-2:]) == (1, b"\xff\xd9")
    assert_corners(content + b"\xff\xda" * 5000, tolerance=30)


def test_markers_inside_a_jpegs_segments_are_no_scans() -> None:
    content = saved(corners(), "JPEG", progressive=True)
    second = content.index(b"\xff\xda", content.index(b"\xff\xda") + 2)
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 2002) + b"\xff\xda" * 1000 + b"\xff\xd9"
    plain = jpeg.examine(content)
    assert plain.passes == len(re.findall(b"\xff\xda", content)) > 5
    assert jpeg.examine(content[:second] + comment + content[second:]).passes == plain.passes


def test_segments_hidden_inside_a_jpegs_segments() -> None:
    cut = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x0e\0\x02\0\0\0\x20\0\0\0\xff"
    hidden = b"\xff\xe1" + struct.pack(">H", len(cut) + 2) + cut
    around = b"\xff\xf2" + struct.pack(">H", len(hidden) + 2) + hidden
    content = saved(corners(), "JPEG", quality=95)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_corners(content[:2] + around + content[2:], tolerance=30)
    assert caught == []


def test_a_progressive_cmyk_jpeg_may_be_as_large_as_any() -> None:
    image = Image.new("CMYK", (80, 60))
    decode(saved(image, "JPEG", progressive=True), max_pixels=80 * 60)


def test_jpeg_of_few_pixels_and_very_many_scans() -> None:
    content = saved(Image.new("L", (8, 8)), "JPEG", progressive=True)
    scan = content.rindex(b"\xff\xda")
    decode(content[:-2] + content[scan:-2] * 900 + content[-2:])
    with pytest.raises(ImageTooLarge, match="1,000 scans"):
        decode(content[:-2] + content[scan:-2] * 1000 + content[-2:])


def test_jpeg_of_very_many_segments() -> None:
    content = saved(corners(), "JPEG", quality=95)
    assert_corners(content[:2] + b"\xff\xfe\0\2" * 1000 + content[2:], tolerance=30)
    with pytest.raises(ImageTooLarge, match="segments"):
        decode(content[:2] + b"\xff\xfe\0\2" * MAX_PARTS + content[2:])


MISSING = "rows of the picture are missing"
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "colours": ("RGB", {}),
    "colours at full size": ("RGB", {"subsampling": 0}),
    "restart markers": ("RGB", {"restart_marker_rows": 1}),
    "grey": ("L", {}),
    "inks": ("CMYK", {}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive grey": ("L", {"progressive": True}),
    "progressive inks": ("CMYK", {"progressive": True}),
}


def scene(width: int = 500, height: int = 375) -> Image.Image:
    """Return a picture that has as much detail in its last rows as elsewhere."""
    dice = np.random.default_rng(3)
    coarse = dice.integers(0, 255, (height // 25, width // 25, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise = dice.integers(-12, 12, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("size", [(500, 375), (2400, 1600)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_last_bytes_are_missing(kind: str, size: tuple[int, int]) -> None:
    mode, options = KINDS[kind]
    content = saved(scene(*size).convert(mode), "JPEG", quality=90, **options)
    whole = decode(content).pixels.astype(int)
    rows_of_a_block = -(-18 * whole.shape[0] // size[1]) + 1  # and two for what is smoothed
    for missing in (1, 2, 3, 16, 17, 24, 33, 64):
        picture = decode(content[:-missing])
        assert (picture.width, picture.height) == size
        difference = np.abs(picture.pixels - whole)
        assert difference.mean() < 1
        if not options.get("progressive"):
            assert difference[:-rows_of_a_block].max() == 0
        if missing <= 2:  # only the marker of the end
            assert difference.max() == 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("progressive")])
def test_rows_are_missing(kind: str) -> None:
    mode, options = KINDS[kind]
    content = saved(scene().convert(mode), "JPEG", quality=90, **options)
    for share in (0.2, 0.5, 0.8, 0.9, 0.95):
        with pytest.raises(UndecodableImage, match=MISSING):
            decode(content[: int(len(content) * share)])


def test_where_the_last_row_begins() -> None:
    content = saved(scene(), "JPEG", quality=90, restart_marker_rows=1)
    restarts = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", content)]
    assert len(restarts) == -(-375 // 16) - 1
    last = restarts[-1]
    for end in (restarts[-2], restarts[-2] + 100, last - 20, last, last + 2):
        with pytest.raises(UndecodableImage, match=MISSING):
            decode(content[:end])
    whole = decode(content).pixels.astype(int)
    found = decode(content[: last + (len(content) - last) // 2]).pixels
    assert np.abs(found - whole)[:-18].max() == 0
    assert (found[-1, -1] == 128).all()


def test_of_a_small_picture_a_row_is_much() -> None:
    small = saved(scene(100, 32), "JPEG", quality=90)
    decode(small[:-2])
    with pytest.raises(UndecodableImage, match=MISSING):
        decode(small[:-200])
    for size in ((16, 16), (8, 8), (1, 1), (1, 400), (400, 1)):
        content = saved(Image.new("L", size, 50), "JPEG")
        decode(content[:-2])


def test_a_progressive_picture_may_lack_the_last_bit_of_its_values() -> None:
    content = saved(scene(), "JPEG", quality=90, progressive=True)
    scans = [found.start() for found in re.finditer(b"\xff\xda", content)]
    tables = [content.rindex(b"\xff\xc4", 0, scan) for scan in scans]
    assert len(scans) == 10
    whole = decode(content).pixels.astype(int)
    # Means; of brightness the coarse detail; colours; the fine detail of brightness: each without
    # its last bits. Then a scan adds the last bit but one.
    for end in (scans[1], scans[1] + 50, scans[4] + 50, tables[5] - 50, tables[5] + 10):
        with pytest.raises(UndecodableImage, match=MISSING):
            decode(content[:end])
    ends = (scans[6] - 1, scans[9], len(content) - 33)
    differences = [np.abs(decode(content[:end]).pixels - whole).mean() for end in ends]
    assert differences[0] < 4
    assert differences == sorted(differences, reverse=True)


def test_a_progressive_picture_that_is_never_refined() -> None:
    """Of a scan that has the only pass over some detail, the end may be missing if it is last."""
    means, low, high = b"\x01\x01\0\0\0\0", b"\x01\x01\0\1\x05\0", b"\x01\x01\0\x06\x3f\0"
    scans = [jpeg._read_scan(one) for one in (means, low, high)]

    def shows_all(found: int, whole: int, components: list[int]) -> bool:
        cut_off = jpeg._Scans(scans[:found], whole, 0, is_ended=False)
        return jpeg._shows_all(cut_off, components)

    assert shows_all(3, 3, [1])
    assert shows_all(3, 2, [1])
    assert not shows_all(2, 2, [1])
    assert not shows_all(1, 1, [1])
    assert not shows_all(1, 0, [1])
    assert not shows_all(3, 3, [1, 2])
    assert jpeg._read_scan(b"\x03\1").list_coefficients() == []


def test_a_bottom_as_grey_as_what_is_missing() -> None:
    image = scene()
    image.paste((128, 128, 128), (0, 300, 500, 375))
    content = saved(image, "JPEG", quality=90)
    with pytest.raises(UndecodableImage, match=MISSING):
        decode(content[:-2])


def test_photographs(shared: Path) -> None:
    for path in sorted((shared / "photos").iterdir())[::30]:
        content = path.read_bytes()
        whole = decode(content).pixels.astype(int)
        for missing in (2, 16, 33):
            difference = np.abs(decode(content[:-missing]).pixels - whole)
            assert difference[:-20].max() == 0, path.name
