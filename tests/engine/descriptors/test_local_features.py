"""Features, of a query and of the turned picture."""

from __future__ import annotations

from django_visualsnoop.engine.descriptors.local_features import (
    compute_local_features,
    compute_query_features,
)
from tests.engine.descriptors.scenes import pixels


def test_a_query_has_more_features_and_those_of_its_negative() -> None:
    picture = pixels(6)
    stored, negative = compute_local_features(picture), compute_local_features(255 - picture)
    asked, turned = compute_query_features(picture)
    assert len(asked.codes) > len(stored.codes) == len(turned.codes)
    assert (asked.codes[: len(stored.codes)] == stored.codes).all()
    assert (asked.near_words[: len(stored.codes)] == stored.near_words).all()
    same = set(turned.codes.tolist()) & set(negative.codes.tolist())
    assert len(same) > 0.4 * len(negative.codes)
