"""What the cosines of models mean."""

from __future__ import annotations

import pytest

from django_visualsnoop.engine.embedding import (
    CosineScale,
    LogisticScale,
    SimilarityScale,
    get_scale,
    is_centred,
)
from django_visualsnoop.engine.lite0 import Lite0Embedding
from tests.embeddings import MEAN_COLOUR

SCALES = [CosineScale(), LogisticScale(22.7, -3.0, 0.5), Lite0Embedding().scale]


@pytest.mark.parametrize("scale", SCALES)
def test_a_higher_cosine_never_means_a_lower_similarity(scale: SimilarityScale) -> None:
    cosines = [number / 1000 for number in range(-1000, 1001)]
    similarities = [scale.to_similarity(cosine) for cosine in cosines]
    assert similarities == sorted(similarities)
    assert min(similarities) >= 0
    assert similarities[-1] == 1


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("similarity", [0.0, 0.000001, 0.1, 0.5, 0.9, 0.999999, 1.0])
def test_no_picture_with_the_similarity_is_below_the_cosine(
    scale: SimilarityScale, similarity: float
) -> None:
    least = scale.to_cosine(similarity)
    assert -1 <= least <= 1
    for number in range(-10_000, 10_001):
        cosine = number / 10_000
        assert cosine >= least or scale.to_similarity(cosine) < similarity
    if 0.01 < similarity < 0.99:  # others are rounded away
        assert scale.to_similarity(least + 0.00001) >= similarity


def test_extreme_cosines_have_a_probability_too() -> None:
    steep = LogisticScale(10_000, 0, 0.5)
    assert (steep.to_similarity(-1), steep.to_similarity(1)) == (0, 1)


def test_a_model_may_say_what_its_cosines_mean() -> None:
    assert get_scale(MEAN_COLOUR) == CosineScale()
    assert get_scale(MEAN_COLOUR).min_similarity == 0
    assert not is_centred(MEAN_COLOUR)
    scale = get_scale(Lite0Embedding())
    assert isinstance(scale, LogisticScale)
    assert scale.min_similarity == 0.5
    assert 0.3 < scale.to_cosine(0.5) < 0.4
    assert is_centred(Lite0Embedding())
