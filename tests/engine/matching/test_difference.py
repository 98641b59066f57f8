"""What differs, and where, after what edits change everywhere has been removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from django_visualsnoop.engine.matching.difference import EVIDENCE, Difference, measure_difference
from django_visualsnoop.engine.matching.verify import NO_ALIGNMENT, Alignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

#: Places of both pictures are the same.
SAME: Alignment = NO_ALIGNMENT._replace(inliers=40)


def draw(seed: int = 1) -> Pixels:
    """Return a picture with tones, colours and details of several sizes."""
    dice = np.random.default_rng(seed)
    picture = np.full((96, 128, 3), 128, dtype=np.float32)
    for size in (4, 12, 32):
        small = dice.normal(0, 1, (96 // size + 1, 128 // size + 1, 3)).astype(np.float32)
        picture += 22 * cv2.resize(small, (128, 96), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def measure(one: Pixels, other: Pixels) -> Difference:
    found = measure_difference(one, other, SAME)
    assert found is not None
    return found


def named(found: Difference) -> dict[str, float]:
    return dict(zip(EVIDENCE, found.evidence.tolist(), strict=True))


def test_a_picture_does_not_differ_from_itself() -> None:
    found = measure(draw(), draw())
    values = named(found)
    assert found.share == values["different"] == values["misfit"] == 0
    assert values["unshifted_25"] > 0.8
    assert max(values["luma_97"], values["colour_97"], values["hue_97"]) < 1
    assert values["share_less"] > 0.99
    assert values["scale"] == pytest.approx(1)


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: np.clip(one * 0.7 + 50, 0, 255),
        lambda one: 255 * (one / 255.0) ** 1.6,
        lambda one: np.clip(one * np.array([1.15, 1.0, 0.8]), 0, 255),
        lambda one: np.dstack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY)] * 3),
        lambda one: 255 - one,
    ],
    ids=["contrast", "gamma", "cast", "grey", "negative"],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_what_changes_everywhere_is_no_difference(edit: object, swapped: bool) -> None:
    pictures = [draw(), np.asarray(edit(draw())).astype(np.uint8)]  # type: ignore[operator]
    found = measure(*(pictures[::-1] if swapped else pictures))
    assert found.share < 0.03
    assert named(found)["detail_25"] > 0.7


def test_a_replaced_part_is_found_with_its_size() -> None:
    changed = draw()
    changed[32:64, 48:88] = draw(2)[32:64, 48:88]
    values = named(found := measure(draw(), changed))
    part = 32 * 40 / (96 * 128)
    assert part / 2 < found.share < 2 * part
    assert part / 2 < values["different_area"] < 2 * part
    assert values["detail_5"] < 0.4
    assert values["detail_50"] > 0.85


def test_a_recoloured_part_is_no_change_of_all_colours() -> None:
    """A grey thing turns red, before reds, greens and blues that stay."""
    grey = np.dstack([draw()[..., 1]] * 3).astype(int)
    for channel, left in enumerate((64, 85, 106)):
        grey[:, left : left + 21, channel] += 60
    red = grey.copy()
    red[20:70, 10:54, 0] += 80
    pictures = [np.clip(one, 0, 255).astype(np.uint8) for one in (grey, red)]
    values = named(measure(*pictures))
    assert values["hue_97"] > 10
    assert values["hue_cells"] > np.log1p(50)
    assert named(measure(pictures[0], pictures[0]))["hue_97"] < 1


def test_another_picture_differs_everywhere() -> None:
    found = measure(draw(), draw(2))
    assert found.share > 0.8
    assert named(found)["detail_75"] < 0.5


def test_flat_pictures_have_no_details_to_compare() -> None:
    flat = np.full((96, 128, 3), 200, dtype=np.uint8)
    values = named(found := measure(flat, flat))
    assert found.share == values["detailed"] == values["different"] == 0
    assert values["detail_mean"] == 0.5


def test_a_small_overlap_says_nothing() -> None:
    beside = SAME._replace(shift=np.array([185, 0], dtype=np.float32))
    assert measure_difference(draw(), draw(), beside) is None


def test_every_value_is_a_number_for_hostile_pictures() -> None:
    dice = np.random.default_rng(5)
    black = np.zeros((96, 128, 3), dtype=np.uint8)
    noise = dice.integers(0, 256, black.shape, dtype=np.uint8)
    for one in (black, noise, draw()):
        for other in (black, 255 - black, noise, draw()):
            assert np.isfinite(measure(one, other).evidence).all()
