"""Which frame of an animation counts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, features

from django_visualsnoop.engine.exceptions import UndecodableImage
from django_visualsnoop.engine.images import animation
from django_visualsnoop.engine.images.decode import decode
from tests.engine.images.corners import RED, assert_corners, corners, quarters
from tests.engine.pictures import CLEAR, animated, saved

ANIMATED = [
    "GIF",
    "PNG",
    "WEBP",
    pytest.param("AVIF", marks=pytest.mark.skipif(not features.check("avif"), reason="no AVIF")),
]


@pytest.mark.parametrize("kind", ANIMATED)
@pytest.mark.parametrize("blank", [1, 7])
def test_an_animation_that_begins_blank(kind: str, blank: int) -> None:
    white = Image.new("RGB", (80, 60), "white")
    faint = [Image.blend(white, corners(), 0.01 * number) for number in range(blank)]
    content = animated([*faint, corners(), Image.new("RGB", (80, 60), "black")], kind)
    assert_corners(content, tolerance=60)
    assert np.ptp(decode(animated([white, *faint[:1], white], kind)).pixels) < 10


def test_frames_are_drawn_over_those_before() -> None:
    white = Image.new("RGBA", (80, 60), "white")
    part = Image.new("RGBA", (80, 60), CLEAR)
    part.paste(corners().convert("RGBA").crop((0, 0, 40, 60)), (0, 0))
    for options in ({"disposal": 0}, {"disposal": 1}):
        content = animated([white, part], "PNG", blend=1, **options)
        found = quarters(content)
        hidden = (255, 255, 255)
        assert found[1] == hidden
        assert np.abs(np.subtract(found[0], RED)).max() <= 12


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_damage_behind_a_frame_that_shows_something(kind: str) -> None:
    white = Image.new("RGB", (80, 60), "white")
    content = animated([white, corners(), white], kind)
    if kind == "GIF":
        assert_corners(content[:-20], tolerance=40)
    with pytest.raises(UndecodableImage):
        decode(saved(white, kind)[:-14])


def test_frames_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    white = Image.new("RGB", (80, 60), "white")
    grey = Image.new("RGB", (80, 60), (250, 250, 250))
    frames = [white, grey] * 10
    content = animated([*frames, corners()], "GIF")
    assert_corners(content, tolerance=40)
    assert np.ptp(decode(content, max_pixels=80 * 60 * 20).pixels) < 10
    monkeypatch.setattr(animation, "MAX_FRAMES", 20)
    assert np.ptp(decode(content).pixels) < 10


def test_first_frame_and_first_page_count() -> None:
    frames = [corners(), Image.new("RGB", (80, 60), "black")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF", "MPO"):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        assert_corners(content, tolerance=40)


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_a_frame_alone_is_not_drawn_again(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take four times the memory of the picture."""
    white = Image.new("RGB", (80, 60), "white")
    content = animated([white, corners()], kind)

    def never(*args: object) -> None:
        pytest.fail("it was drawn")

    monkeypatch.setattr(animation, "_draw", never)
    assert np.ptp(decode(content, max_pixels=80 * 60 * 2 - 1).pixels) == 0
