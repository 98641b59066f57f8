"""JPEGs that lack their last bytes: read if every row of the picture is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.exceptions import UndecodableImage
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.images.formats import jpeg
from tests.engine.pictures import saved

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_progressive_picture_needs_a_first_pass() -> None:
    content = saved(scene(), "JPEG", quality=90, progressive=True)
    scans = [found.start() for found in re.finditer(b"\xff\xda", content)]
    tables = [content.rindex(b"\xff\xc4", 0, scan) for scan in scans]
    assert len(scans) == 10
    whole = decode(content).pixels.astype(int)
    # Means; and of brightness the coarse detail; colours; and the fine detail of brightness.
    for end in (scans[1], scans[1] + 50, scans[4] + 50, tables[5] - 50):
        with pytest.raises(UndecodableImage, match=MISSING):
            decode(content[:end])
    ends = (scans[5], tables[5] + 10, scans[6] - 1, scans[9], len(content) - 33)
    differences = [np.abs(decode(content[:end]).pixels - whole).mean() for end in ends]
    assert differences[0] < 8
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
