"""Pictures of different things that share what is around or over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.training.hard_negatives import (
    TEMPLATES,
    draw_drawing,
    draw_page_of_words,
)

if TYPE_CHECKING:
    from django_visualsnoop.engine.training.hard_negatives import Template

BLACK, WHITE = (np.full((300, 400, 3), value, dtype=np.uint8) for value in (0, 255))


@pytest.mark.parametrize("template", dict.fromkeys(TEMPLATES))
def test_pictures_of_one_template_share_all_but_the_photograph(template: Template) -> None:
    for seed in range(5):
        one, other = (template(photo, np.random.default_rng(seed)) for photo in (BLACK, WHITE))
        assert one.shape == other.shape
        apart = np.abs(one.astype(int) - other)
        # What is half-transparent takes a part of the difference.
        assert (apart < 230).mean() > 0.001
        assert (apart > 90).mean() > 0.1
        assert not np.array_equal(one, template(BLACK, np.random.default_rng(seed + 100)))


def test_a_template_leaves_its_photograph_as_it_is() -> None:
    for template in TEMPLATES:
        template(BLACK, np.random.default_rng(1))
    assert not BLACK.any()


def test_pages_of_one_layout_share_their_head_and_no_other_line() -> None:
    def draw(own: int) -> np.ndarray:
        return draw_page_of_words(np.random.default_rng(4), np.random.default_rng(own))

    one, other = draw(1), draw(2)
    assert one.shape == other.shape
    differs = (one != other).any(axis=(1, 2))
    head = int(np.argmax(differs))
    assert (one[:head] != 245).any()  # something is written there
    assert differs[head:].mean() > 0.3
    assert (draw(1) == one).all()


def test_drawings_are_their_own() -> None:
    drawn = [draw_drawing(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()
    assert (drawn[0] == 255).all(axis=2).mean() > 0.3  # on white
