"""The trees that tell relations."""

from __future__ import annotations

import lzma
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.common.search_options import COPY, SHOT, VARIANT
from django_visualsnoop.engine.descriptors.descriptor import Descriptor
from django_visualsnoop.engine.matching import relation
from django_visualsnoop.engine.matching.difference import EVIDENCE
from django_visualsnoop.engine.training import (
    boosting,
    fit,
    public_pictures,
    related_pairs,
    relations,
)
from django_visualsnoop.engine.training.public_pictures import NONE, SHOT_OR_NONE
from django_visualsnoop.engine.training.related_pairs import DRAWN, DescribedPicture, RelatedPair

if TYPE_CHECKING:
    from pathlib import Path

SIZE = len(relation.FIRST_STAGE) + len(EVIDENCE)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosting, "TREES", 12)
    monkeypatch.setattr(boosting, "RATE", 0.4)
    monkeypatch.setattr(boosting, "BINS", 64)
    monkeypatch.setattr(relations, "FOLDS", 2)


@pytest.fixture
def pairs() -> list[RelatedPair]:
    """Pairs of two sets; their first input tells their relation, the others nothing."""
    dice = np.random.default_rng(6)
    made = []
    for number in range(1200):
        inputs = dice.normal(0, 1, SIZE).astype(np.float32)
        step = number % 4
        inputs[0] = step + dice.uniform(0, 0.5)
        name = (COPY, VARIANT, SHOT, NONE)[step]
        name = SHOT_OR_NONE if step > 1 and number % 3 == 0 else name
        made.append(RelatedPair(inputs, name, f"set {number // 4 % 2}", (number, number + 1)))
    return made


@pytest.mark.service("scikit-learn")
def test_each_model_takes_the_closer_relations_together(
    pairs: list[RelatedPair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relations.save(relations.fit_models(pairs), tmp_path / "relations.npz")
    monkeypatch.setattr(relation, "PATH", tmp_path / "relations.npz")
    models = relation.load_models.__wrapped__()
    inputs = np.zeros((4, SIZE), dtype=np.float32)
    inputs[:, 0] = np.arange(4) + 0.25
    said = {name: [model.predict(row) > 0 for row in inputs] for name, model in models.items()}
    assert said == {
        COPY: [True, False, False, False],
        VARIANT: [True, True, False, False],
        SHOT: [True, True, True, False],
    }


@pytest.mark.service("scikit-learn")
def test_each_set_is_judged_by_trees_that_saw_none_of_it(pairs: list[RelatedPair]) -> None:
    # The second set tells the opposite: who saw it would be right on it.
    turned = [
        one._replace(relation={COPY: NONE, NONE: COPY}.get(one.relation, one.relation))
        if one.source == "set 1"
        else one
        for one in pairs
    ]
    found = relations.judge_held_out(turned)
    assert np.mean(found["set 0", COPY]) < 0.5 < np.mean(found["set 0", NONE])
    lines = list(relations.report(found))
    assert len(lines) == len(found)
    assert any(line.startswith("set 0") and COPY in line for line in lines)


def test_the_list_of_pairs_names_both_files(tmp_path: Path) -> None:
    nothing = Descriptor(*[np.zeros(0)] * 4)  # type: ignore[arg-type]
    pictures = [DescribedPicture("a/b", f"{number}.jpg", "0f" * 32, nothing) for number in "12"]
    inputs = np.zeros(SIZE, dtype=np.float32)
    pairs = [RelatedPair(inputs, COPY, "a/b", (0, 1)), RelatedPair(inputs, COPY, "light edits")]
    relations.write_list(tmp_path / "pairs.tsv.xz", pictures, pairs)
    written = lzma.decompress((tmp_path / "pairs.tsv.xz").read_bytes()).decode()
    head, row = written.splitlines()
    assert head.split("\t") == [
        "repository", "path", "sha256", "other_repository", "other_path", "other_sha256", "relation"
    ]  # fmt: skip
    assert row.split("\t") == ["a/b", "1.jpg", "0f" * 32, "a/b", "2.jpg", "0f" * 32, "copy"]


def test_pairs_are_collected_from_clones(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = {"maxogden/cats": public_pictures.SETS["maxogden/cats"]}
    monkeypatch.setattr(relations, "SETS", sets)
    monkeypatch.setattr(fit, "DECOYS", 1)
    draw_pairs = fit.draw_pairs
    monkeypatch.setattr(related_pairs, "draw_pairs", lambda *of: islice(draw_pairs(*of), 12))
    # In this process, which knows of the above.
    monkeypatch.setattr(relations, "ProcessPoolExecutor", lambda mp_context: ThreadPoolExecutor(1))
    pictures, pairs = relations.collect_pairs(clone, clone)
    assert [one.path for one in pictures] == ["a.JPG", "b c.jpg", "same.jpg", "ü.png"]
    real = [one for one in pairs if one.places]
    assert [(one.source, one.relation, one.places) for one in real] == [
        ("maxogden/cats", COPY, (1, 2))
    ]
    sources = {one.source for one in pairs}
    assert sources == {"maxogden/cats", "light edits", "mild edits", "replaced parts", DRAWN}
    assert all(one.inputs.shape == (SIZE,) for one in pairs)


def test_a_source_with_many_pairs_has_no_more_weight_than_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relations, "MOST_OF_A_SOURCE", 2)
    inputs = np.zeros(SIZE, dtype=np.float32)
    many = [RelatedPair(inputs, NONE, "many", (0, 1))] * 8
    few = [RelatedPair(inputs, NONE, "few", (0, 1))]
    assert relations._weigh([*many, *few]).tolist() == [0.25] * 8 + [1.0]
