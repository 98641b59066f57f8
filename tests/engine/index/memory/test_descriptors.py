from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, VERSION
from django_visualsnoop.engine.index.base import CandidateQuery
from django_visualsnoop.engine.index.memory import layers, merge
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from tests.engine.index.memory.brute_force import cosine, features_of, made, scores, votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.index.base import Candidate


def agrees(found: list[Candidate], images: Mapping[str, Descriptor], query: CandidateQuery) -> None:
    """See to it that a search that reads everything found what brute force finds."""
    expected = scores(images, query)
    for one in found:
        assert (one.cosine, one.votes) == pytest.approx(expected[one.image_id], abs=1e-5)
        if len(query.probes):
            vector = images[one.image_id].vector
            assert cosine(query.probes[one.probe], vector) == pytest.approx(one.cosine, abs=1e-5)
        if one.votes:
            assert votes(query.views[one.view], images[one.image_id]) == pytest.approx(one.votes)
    assert found == sorted(found, key=lambda one: (-one.cosine, one.image_id))
    names = {one.image_id for one in found}
    assert len(names) == len(found)
    for stage, least in ((0, -1.0), (1, 0.0)):
        ranked = sorted((one[stage] for one in expected.values()), reverse=True)
        enough = ranked[query.limit - 1] if 0 < query.limit <= len(ranked) else least
        for image_id, both in expected.items():
            if query.limit and both[stage] > enough + 1e-5:
                assert image_id in names


numbers = st.integers(0, 30)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), numbers, st.integers(0, 2**32)),
        st.tuples(st.just("discard"), numbers, st.none()),
        st.tuples(st.just("search"), st.sampled_from([0, 1, 3, 100]), st.integers(0, 2**32)),
        st.tuples(st.just("rebuild"), st.none(), st.none()),
        st.tuples(st.just("settle"), st.none(), st.none()),
    ),
    max_size=40,
)


@given(steps=steps)
@settings(deadline=None, max_examples=60)
def test_agrees_with_brute_force(steps: list[tuple[str, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(layers, "WAITING", 5)
        patched.setattr(layers, "_SMALL", 4)
        patched.setattr(merge, "_WORDS", 1000)
        index = DescriptorIndex()
        images: dict[str, Descriptor] = {}
        for step, number, seed in steps:
            dice = np.random.default_rng(seed)
            if step == "put":
                # Merging by a new sort, or by a walk over all words.
                patched.setattr(merge, "_SORTED_AGAIN", seed % 2 * 2**20)
                images[str(number)] = made(dice, seed % 5 * (seed % 7))
                index.put(str(number), images[str(number)].to_bytes())
            elif step == "discard":
                index.discard(str(number))
                images.pop(str(number), None)
            elif step == "settle":
                index.settle()
            elif step == "rebuild":
                index.adopt(merge.merge_in_memory(index.list_parts()))
            else:
                query = random_query(dice, number)
                agrees(index.find_candidates(query), images, query)
            assert len(index) == len(images)
        for number in range(31):
            vector = index.get_vector(str(number))
            stored = images.get(str(number))
            assert (vector is None) == (stored is None)
            if vector is not None and stored is not None:
                assert vector.tobytes() == stored.vector.tobytes()
        held = {}
        for segment, kept in index.list_parts():
            slots = np.flatnonzero(kept)
            for image_id, vector in zip(
                segment.ids.get_ids(slots), segment.vectors[slots], strict=True
            ):
                held[image_id] = vector.tobytes()
        assert held == {image_id: one.vector.tobytes() for image_id, one in images.items()}


def random_query(dice: np.random.Generator, limit: int) -> CandidateQuery:
    some = {str(number) for number in range(40) if dice.random() < dice.choice([0.1, 0.9])}
    return CandidateQuery(
        np.stack([made(dice, 0).vector for _ in range(3)])[: dice.integers(0, 4)],
        [features_of(made(dice, count), near=1) for count in dice.integers(0, 20, 2)],
        limit,
        allowed=some if dice.random() < 0.5 else None,
        without={str(number) for number in dice.integers(0, 30, 3)},
    )


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_any_number_of_images(count: int) -> None:
    dice = np.random.default_rng(count)
    images = {f"é{number}": made(dice, 9) for number in range(count)}
    index = DescriptorIndex()
    for image_id, descriptor in images.items():
        index.put(image_id, descriptor.to_bytes())
    for image_id, descriptor in list(images.items())[:20]:
        query = CandidateQuery(descriptor.vector[None], [features_of(descriptor)], 1)
        found = index.find_candidates(query)
        assert tuple(found[0]) == (image_id, pytest.approx(1), 0, pytest.approx(9), 0)
    query = CandidateQuery(made(dice, 0).vector[None], [features_of(made(dice, 9))], 1000)
    agrees(index.find_candidates(query), images, query)


def test_bytes_that_are_no_descriptor_change_nothing() -> None:
    index = DescriptorIndex()
    content = made(np.random.default_rng(1), 3).to_bytes()
    index.put("a", content)
    newer = content[:DIMENSIONS] + bytes([VERSION + 1]) + content[DIMENSIONS + 1 :]
    for broken in (b"", content[:1], content[:-1], newer):
        with pytest.raises(ValueError, match="descriptor"):
            index.put("a", broken)
    assert len(index) == 1
    assert index.get_vector("a") is not None
