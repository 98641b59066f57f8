"""The few images worth a closer look: the best of each of two stages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, Descriptor
from django_visualsnoop.engine.index.base import CandidateQuery
from django_visualsnoop.engine.index.memory import candidates, inverted
from django_visualsnoop.engine.index.memory.candidates import find_candidates
from django_visualsnoop.engine.index.memory.layers import Visible
from django_visualsnoop.engine.index.memory.segment import Segment, build_segment
from tests.engine.index.memory.brute_force import features_of, made

DICE = np.random.default_rng(11)
WANTED = made(DICE, 6)
#: Close by its vector alone, by its features alone, and not at all.
CLOSE = made(DICE, 0)._replace(vector=WANTED.vector)
VOTED = WANTED._replace(vector=made(DICE, 0).vector)
OTHER = made(DICE, 0)


def segment(**images: Descriptor) -> Segment:
    return build_segment({image_id: one.to_bytes() for image_id, one in images.items()})


PARTS = [
    Visible(segment(other=OTHER, voted=VOTED), None),
    Visible(segment(close=CLOSE, another=OTHER), None),
]


def find(parts: Any = PARTS, limit: int = 1, **given: Any) -> list[str]:
    query = CandidateQuery(
        given.pop("probes", WANTED.vector[None]),
        given.pop("views", [features_of(WANTED)]),
        limit,
        **given,
    )
    return [one.image_id for one in find_candidates(parts, query)]


def test_the_best_of_each_stage_are_found() -> None:
    assert find() == ["close", "voted"]
    assert find(views=[]) == ["close"]
    assert find(probes=np.empty((0, DIMENSIONS), np.int8)) == ["voted"]
    assert find(limit=0) == []


def test_of_equally_close_ones_the_first_by_id_comes_first() -> None:
    found = find([Visible(segment(b=CLOSE, a=CLOSE, c=CLOSE), None)], limit=3, views=[])
    assert found == ["a", "b", "c"]


def test_a_candidate_says_which_probe_and_view_found_it() -> None:
    probes = np.stack([OTHER.vector, WANTED.vector])
    views = [features_of(OTHER), features_of(WANTED)]
    found = {one.image_id: one for one in find_candidates(PARTS, CandidateQuery(probes, views, 4))}
    assert found["voted"].view == 1
    assert found["voted"].votes == pytest.approx(6)
    assert found["another"].probe == 0
    assert found["another"].cosine == pytest.approx(1)
    assert find(limit=4, probes=probes)[:3] == ["another", "close", "other"]


def test_what_is_left_out_is_not_found() -> None:
    assert find(without={"close"}, views=[]) != ["close"]
    assert find(allowed={"another"}) == ["another"]
    assert find(allowed=set()) == []
    assert find([Visible(PARTS[1].segment, np.array([False, True]))]) == ["another"]


@pytest.mark.parametrize("few", [0.0, 1.0])
def test_all_or_some_vectors_are_compared_with_one_result(
    monkeypatch: pytest.MonkeyPatch, few: float
) -> None:
    monkeypatch.setattr(candidates, "_FEW", few)
    assert find(allowed={"close", "other"}, views=[]) == ["close"]


def test_the_budget_for_postings_counts_all_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverted, "BUDGET", 0)
    assert find(probes=np.empty((0, DIMENSIONS), np.int8)) == []


def crowded_lists() -> tuple[list[Visible[Segment]], CandidateQuery]:
    """Return two segments whose lists are all long, and a query for one of the images."""
    dice = np.random.default_rng(12)
    images = {str(number): made(dice, 40, words=2) for number in range(200)}
    wanted = images["77"]
    views = [features_of(wanted, near=1)]
    halves = [dict(list(images.items())[start::2]) for start in (0, 1)]
    query = CandidateQuery(np.empty((0, DIMENSIONS), np.int8), views, 1)
    return [Visible(segment(**half), None) for half in halves], query


def test_beyond_the_budget_the_postings_that_are_most_alike_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts, query = crowded_lists()
    monkeypatch.setattr(inverted, "BUDGET", 2000)  # each of the lists has some 4,000
    assert [one.image_id for one in find_candidates(parts, query)] == ["77"]


def test_up_to_the_budget_all_postings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, query = crowded_lists()
    query = replace(query, limit=200)
    everything = find_candidates(parts, query)
    probes = inverted.build_word_probes(query.views)
    total = sum(
        int(inverted.find_lists(part.segment.lists, probes.words)[1].sum()) for part in parts
    )
    monkeypatch.setattr(inverted, "BUDGET", total)
    assert find_candidates(parts, query) == everything
    monkeypatch.setattr(inverted, "BUDGET", total - 1)
    assert find_candidates(parts, query) != everything


def test_a_slot_that_there_is_not_is_passed_over() -> None:
    """A broken file may name one."""
    whole = PARTS[0].segment
    broken = whole._replace(lists=whole.lists._replace(slots=whole.lists.slots + np.uint32(9)))
    assert find([Visible(broken, None)], probes=np.empty((0, DIMENSIONS), np.int8)) == []
