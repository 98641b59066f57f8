"""The relation that follows from scores, by models that say what the test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.common.search_options import RELATIONS
from django_visualsnoop.engine.matching import relation as module
from django_visualsnoop.engine.matching.calibration import UNRELATED
from django_visualsnoop.engine.matching.difference import EVIDENCE, Difference
from django_visualsnoop.engine.matching.relation import (
    FIRST_STAGE,
    Relation,
    collect_inputs,
    load_models,
    tell_relation,
    tell_without_features,
)
from django_visualsnoop.engine.matching.verify import NO_ALIGNMENT

if TYPE_CHECKING:
    from pathlib import Path


class Fixed:
    def __init__(self, score: float) -> None:
        self._score = score

    def predict(self, _: object) -> float:
        return self._score


def differing(share: float = 0.5, **values: float) -> Difference:
    usual = {"share_less": 1.0, "luma_97": 30.0, "different": 0.5} | values
    return Difference(
        share, np.array([usual.get(name, 0.0) for name in EVIDENCE], dtype=np.float32)
    )


def relate(
    monkeypatch: pytest.MonkeyPatch,
    scores: tuple[float, float, float],
    difference: Difference | None = None,
    first: float = 9.0,
) -> Relation:
    models = {name: Fixed(score) for name, score in zip(RELATIONS, scores, strict=True)}
    monkeypatch.setattr(module, "load_models", lambda: models)
    inputs = np.zeros(len(FIRST_STAGE) + len(EVIDENCE), dtype=np.float32)
    inputs[0] = first
    return tell_relation(inputs, difference or differing())


@pytest.mark.parametrize(
    ("scores", "name", "score"),
    [
        ((2.0, 3.0, 4.0), "copy", 2.0),
        ((0.0, 3.0, 4.0), "copy", 0.0),
        ((-0.1, 3.0, 4.0), "variant", 3.0),
        ((-3.0, -0.1, 4.0), "shot", 4.0),
        ((-3.0, -4.0, -5.0), "shot", -3.0),  # each includes the closer ones
        ((-3.0, 2.0, 1.0), "variant", 2.0),
    ],
)
def test_the_closest_relation_that_is_probable_counts(
    monkeypatch: pytest.MonkeyPatch, scores: tuple[float, float, float], name: str, score: float
) -> None:
    found = relate(monkeypatch, scores)
    assert (found.name, found.score, found.copy_score) == (name, score, scores[0])
    assert found.rank // 1000 == RELATIONS.index(name)


def test_identical_pictures_are_copies_as_sure_as_their_features(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    same = differing(0.0, different=0.0, luma_97=1.0)
    assert relate(monkeypatch, (-2.0, -1.0, 0.0), same)[:4] == ("copy", 9.0, 9.0, 1)
    for other in (
        differing(0.0, different=0.01, luma_97=1.0),
        differing(0.0, different=0.0, luma_97=3.0),
        differing(0.0, different=0.0, luma_97=1.0, hue_97=3.0),
        differing(0.0, different=0.0, luma_97=1.0, share_less=0.5),
    ):
        assert relate(monkeypatch, (-2.0, -1.0, 0.0), other).name == "shot"


def test_copies_without_a_visible_difference_have_the_rank_of_their_features(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert relate(monkeypatch, (2.0, 3.0, 4.0), differing(0.01)).rank == 1
    assert relate(monkeypatch, (2.0, 3.0, 4.0), differing(0.06)).rank == 48
    assert relate(monkeypatch, (-1.0, 2.0, 4.0), differing(0.01)).rank == 1048


def test_what_is_known_to_be_a_shot_is_no_copy_at_any_threshold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = relate(monkeypatch, (9.0, 9.0, 9.0)).to_shot()
    assert (found.name, found.score, found.rank) == ("shot", 9.0, 2000)
    assert found.copy_score < -10


def test_the_inputs_have_the_names_of_the_models() -> None:
    inputs = collect_inputs(1.0, 0.5, NO_ALIGNMENT, np.zeros(99), differing())
    assert inputs.shape == (len(FIRST_STAGE) + len(EVIDENCE),)
    assert inputs[FIRST_STAGE.index("cosine")] == 0.5
    for name in RELATIONS:
        assert np.isfinite(load_models()[name].predict(inputs))


def test_models_of_other_evidence_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    np.savez(tmp_path / "relations.npz", evidence=np.array(["score"]))
    monkeypatch.setattr(module, "PATH", tmp_path / "relations.npz")
    load_models.cache_clear()
    with pytest.raises(ValueError, match="must be fitted again"):
        load_models()


@pytest.mark.parametrize(
    ("share", "values", "name"),
    [
        (0.3, {"strong_cells": np.log1p(2), "tone_5": 0.5}, "copy"),
        (0.3, {"luma_cells": np.log1p(9), "tone_5": 0.9}, "copy"),
        (0.1, {"strong_cells": np.log1p(3), "tone_5": 0.9}, "variant"),
        (0.1, {"luma_cells": np.log1p(5), "tone_5": 0.8}, "variant"),
        (0.1, {"colour_cells": np.log1p(5), "tone_5": 0.8}, "variant"),
        (0.2, {"strong_cells": np.log1p(3), "tone_5": 0.9}, None),
    ],
)
def test_without_agreeing_features_what_differs_tells(
    share: float, values: dict[str, float], name: str | None
) -> None:
    # A little more than the limits: the evidence is in single precision.
    told = tell_without_features(
        6.0, differing(share, **{key: value + 1e-4 for key, value in values.items()})
    )
    assert told.name == name
    assert told.copy_score == (6.0 if name == "copy" else UNRELATED)
    assert told.score == (UNRELATED if name is None else 6.0)
