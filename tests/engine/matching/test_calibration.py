"""From evidence to a score, a similarity and a rank."""

from __future__ import annotations

import math

import numpy as np
import pytest

from django_visualsnoop.engine.matching import calibration


def test_similarity_grows_with_the_score_and_rank_falls() -> None:
    scores = np.linspace(-40, 40, 500)
    similarities = [calibration.score_to_similarity(one) for one in scores]
    ranks = [calibration.score_to_rank(one) for one in scores]
    assert similarities == sorted(similarities)
    assert 0 <= similarities[0] < 0.01
    assert 0.99 < similarities[-1] <= 1
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[-1] == 0
    assert ranks[0] > 500


@pytest.mark.parametrize("wanted", [0.01, 0.5, 0.9, 0.999])
def test_score_at_is_the_inverse_of_similarity(wanted: float) -> None:
    assert calibration.score_to_similarity(
        calibration.similarity_to_score(wanted)
    ) == pytest.approx(wanted)
    assert calibration.similarity_to_score(0) == -math.inf
    assert calibration.similarity_to_score(1) == math.inf
