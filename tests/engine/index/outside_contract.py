"""What every index outside the process must do; see ``OutsideIndex``.

The tests of an index subclass ``OutsideIndexContract`` and provide the fixture ``index``.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from django.db import connections

from django_visualsnoop.engine.descriptors.describe import (
    DIMENSIONS,
    build_probes,
    build_stored_probes,
    describe,
    invariant_first,
)
from django_visualsnoop.engine.index.base import CandidateQuery, IndexEntry
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.index.memory.embeddings import EmbeddingIndex
from django_visualsnoop.engine.index.memory.layers import select_visible
from django_visualsnoop.engine.search import build_candidate_query
from tests.engine.index.memory.brute_force import features_of, find_closest, made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.index.base import Candidate, CloseImage, OutsideIndex

#: ``embedding.hash_identity`` of two models.
MODEL, OTHER_MODEL = "0123456789abcdef", "fedcba9876543210"
WIDTH = 64


def build_entry(
    row_id: int,
    descriptor: Descriptor | None = None,
    embedding: NDArray[np.int8] | None = None,
    **values: Any,
) -> IndexEntry:
    """Return the entry of an image that is called by its row, unless told otherwise."""
    entry = IndexEntry(
        row_id,
        f"image {row_id}",
        None if descriptor is None else descriptor.to_bytes(),
        "" if embedding is None else MODEL,
        None if embedding is None else embedding.tobytes(),
        row_id * 1000,
    )
    return entry._replace(**values)


@cache
def draw_picture(seed: int) -> NDArray[np.uint8]:
    """Return a picture with many distinct details; 240 x 320 x 3."""
    dice = np.random.default_rng(seed)
    pixels = np.full((240, 320, 3), dice.integers(60, 200, 3), dtype=np.uint8)
    for _ in range(90):
        colour = tuple(dice.integers(0, 256, 3).tolist())
        x, y, width, height = dice.integers((0, 0, 4, 4), (320, 240, 60, 60)).tolist()
        if dice.random() < 0.5:
            cv2.rectangle(pixels, (x, y), (x + width, y + height), colour, -1)
        else:
            angle = float(dice.integers(0, 180))
            cv2.ellipse(pixels, (x, y), (width, height), angle, 0, 360, colour, -1)
    noise = dice.normal(0, 3, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


@cache
def describe_pictures(count: int) -> list[Descriptor]:
    return [describe(draw_picture(seed)) for seed in range(count)]


def build_query(descriptor: Descriptor, limit: int = 20, **given: Any) -> CandidateQuery:
    """Return the query by a descriptor, upright only."""
    probes = given.pop("probes", descriptor.vector[None])
    return CandidateQuery(probes, given.pop("views", [features_of(descriptor)]), limit, **given)


def get_ids(found: Iterable[Candidate | CloseImage]) -> list[str]:
    return [one.image_id for one in found]


def draw_embeddings(count: int, seed: int = 0) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-127, 128, (count, WIDTH), dtype=np.int8)


def run_at_once(functions: Sequence[Callable[[], object]]) -> None:
    """Run functions in threads, each with connections of its own; raise what one raises."""

    def run(function: Callable[[], object]) -> None:
        try:
            function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as pool:
        list(pool.map(run, functions))


class OutsideIndexContract:
    """The shared tests. A subclass provides ``index``, prepared; collections have random ids."""

    @pytest.fixture
    def index(self) -> OutsideIndex:
        raise NotImplementedError

    @pytest.fixture
    def collection_id(self) -> str:
        return secrets.token_hex(4)

    def test_it_says_what_it_is(self, index: OutsideIndex) -> None:
        assert index.name
        assert index.version >= 1
        assert isinstance(index.transactional, bool)

    def test_preparing_again_keeps_what_there_is(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        index.upsert(collection_id, [build_entry(1)])
        run_at_once([index.prepare] * 3)
        assert index.count(collection_id) == 1

    def test_a_collection_without_entries_is_empty(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        index.upsert(collection_id, [])
        index.delete(collection_id, [])
        index.delete(collection_id, [1])
        index.drop(collection_id)
        assert index.count(collection_id) == 0
        assert index.list_entries(collection_id, 0, 10) == []
        (descriptor,) = describe_pictures(1)
        assert index.find_candidates(collection_id, build_query(descriptor)) == []
        assert index.get_vector(collection_id, MODEL, "image 1") is None
        assert list(index.iter_closest(collection_id, MODEL, draw_embeddings(1)[0])) == []

    # Writing

    def test_entries_are_counted_and_listed_in_order(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        descriptors = describe_pictures(5)
        entries = [build_entry(10 * number, one) for number, one in enumerate(descriptors, 1)]
        index.upsert(collection_id, entries[::-1])
        assert index.count(collection_id) == 5
        expected = [(one.row_id, one.image_id, one.stamp) for one in entries]
        assert index.list_entries(collection_id, 0, 10) == expected
        assert index.list_entries(collection_id, 20, 2) == expected[2:4]
        assert index.list_entries(collection_id, 50, 2) == []

    def test_an_entry_is_replaced(self, index: OutsideIndex, collection_id: str) -> None:
        old, new = describe_pictures(2)
        others = [build_entry(number, made(np.random.default_rng(number), 0)) for number in (7, 8)]
        index.upsert(collection_id, [build_entry(1, old), *others])
        index.upsert(collection_id, [build_entry(1, new, image_id="renamed", stamp=5)])
        assert index.count(collection_id) == 3
        assert index.list_entries(collection_id, 0, 1) == [(1, "renamed", 5)]
        (first, *_) = index.find_candidates(collection_id, build_query(new))
        assert first.image_id == "renamed"
        assert first.cosine == pytest.approx(1)
        assert first.votes == pytest.approx(len(new.codes))
        no_probes = np.empty((0, DIMENSIONS), np.int8)
        assert index.find_candidates(collection_id, build_query(old, probes=no_probes)) == []
        found = index.find_candidates(collection_id, build_query(old, 1, views=[]))
        assert found[0].cosine < 0.9

    def test_writing_again_changes_nothing(self, index: OutsideIndex, collection_id: str) -> None:
        descriptors = describe_pictures(4)
        entries = [build_entry(number, one) for number, one in enumerate(descriptors, 1)]
        index.upsert(collection_id, entries)
        query = build_query(descriptors[0])
        found = index.find_candidates(collection_id, query)
        index.upsert(collection_id, entries)
        index.upsert(collection_id, entries[:1] * 2)  # one row twice in one call: the last counts
        assert index.count(collection_id) == 4
        assert index.find_candidates(collection_id, query) == found

    def test_deleted_entries_are_gone(self, index: OutsideIndex, collection_id: str) -> None:
        one, other = describe_pictures(2)
        embeddings = draw_embeddings(2)
        index.upsert(
            collection_id,
            [build_entry(1, one, embeddings[0]), build_entry(2, other, embeddings[1])],
        )
        for _ in range(2):
            index.delete(collection_id, [1, 99])
        assert index.list_entries(collection_id, 0, 10) == [(2, "image 2", 2000)]
        assert get_ids(index.find_candidates(collection_id, build_query(one))) == ["image 2"]
        assert index.get_vector(collection_id, MODEL, "image 1") is None
        closest = index.iter_closest(collection_id, MODEL, embeddings[0])
        assert get_ids(chain.from_iterable(closest)) == ["image 2"]
        index.upsert(collection_id, [build_entry(1, one)])
        assert index.find_candidates(collection_id, build_query(one))[0].image_id == "image 1"

    def test_collections_do_not_mix(self, index: OutsideIndex, collection_id: str) -> None:
        (descriptor,) = describe_pictures(1)
        (embedding,) = draw_embeddings(1)
        other_id = secrets.token_hex(4)
        index.upsert(collection_id, [build_entry(1, descriptor, embedding)])
        index.upsert(other_id, [build_entry(2, descriptor, embedding)])
        query = build_query(descriptor)
        assert get_ids(index.find_candidates(collection_id, query)) == ["image 1"]
        assert get_ids(index.find_candidates(other_id, query)) == ["image 2"]
        assert index.get_vector(collection_id, MODEL, "image 2") is None
        index.delete(other_id, [1])
        assert index.count(collection_id) == 1
        index.drop(collection_id)
        assert index.count(collection_id) == 0
        assert index.find_candidates(collection_id, query) == []
        assert list(index.iter_closest(collection_id, MODEL, embedding)) == []
        assert get_ids(index.find_candidates(other_id, query)) == ["image 2"]
        assert get_ids(chain.from_iterable(index.iter_closest(other_id, MODEL, embedding))) == [
            "image 2"
        ]
        index.upsert(collection_id, [build_entry(3, descriptor)])
        assert get_ids(index.find_candidates(collection_id, query)) == ["image 3"]

    def test_an_entry_without_a_descriptor_is_listed_but_never_found(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        one, other = describe_pictures(2)
        index.upsert(collection_id, [build_entry(1), build_entry(2, one), build_entry(3, other)])
        assert index.count(collection_id) == 3
        assert len(index.list_entries(collection_id, 0, 10)) == 3
        index.upsert(collection_id, [build_entry(2, None)])
        assert get_ids(index.find_candidates(collection_id, build_query(one))) == ["image 3"]

    def test_pictures_without_details_are_found_by_their_vectors(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        plain = made(np.random.default_rng(1), 0)
        black = plain._replace(vector=np.zeros(DIMENSIONS, np.int8))
        index.upsert(collection_id, [build_entry(1, plain), build_entry(2, black)])
        found = index.find_candidates(collection_id, build_query(plain))
        assert [(one.image_id, one.cosine, one.votes) for one in found] == [
            ("image 1", 1.0, 0.0),
            ("image 2", 0.0, 0.0),
        ]

    def test_a_picture_known_by_its_file_is_found_by_its_file(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        plain = np.full((60, 80, 3), 200, np.uint8)
        known = [describe(plain, bytes([number]) * 32) for number in range(3)]
        assert known[0].by_file
        index.upsert(collection_id, [build_entry(n, one) for n, one in enumerate(known, 1)])
        query = build_candidate_query(build_stored_probes(known[1]), 20)
        votes = {one.image_id: one.votes for one in index.find_candidates(collection_id, query)}
        assert votes == {"image 1": 0, "image 2": pytest.approx(4), "image 3": 0}

    def test_concurrent_writers_write_each_entry_once(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        descriptors = describe_pictures(6)
        entries = [build_entry(number, one) for number, one in enumerate(descriptors, 1)]

        def write(start: int) -> None:
            for step in range(12):
                index.upsert(collection_id, [entries[(start + step) % 6]])

        run_at_once([partial(write, start) for start in range(4)])
        assert index.count(collection_id) == 6
        for number, one in enumerate(descriptors, 1):
            found = index.find_candidates(collection_id, build_query(one, 6))
            assert len(found) == 6
            assert found[0].image_id == f"image {number}"
            assert found[0].votes == pytest.approx(len(one.codes))

    # Candidates

    def test_candidates_are_those_of_the_memory_index(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        """Of pictures and their crops: equal cosines, and votes by keys instead of by codes."""
        descriptors = describe_pictures(12)
        entries = [build_entry(number, one) for number, one in enumerate(descriptors)]
        index.upsert(collection_id, entries)
        memory = DescriptorIndex(invariant_first())
        for one in entries:
            memory.put(one.image_id, one.descriptor or b"")
        for seed in range(0, 12, 3):
            cropped = draw_picture(seed)[30:210, 40:290]
            mirrored = np.ascontiguousarray(cropped[:, ::-1])
            for pixels in (draw_picture(seed), cropped, mirrored):
                query = build_candidate_query(build_probes(pixels), 20)
                found = index.find_candidates(collection_id, query)
                expected = memory.find_candidates(query)
                assert [one[:3] for one in found] == [one[:3] for one in expected]
                by_id = {one.image_id: one for one in expected}
                best = max(found, key=lambda one: one.votes)
                wanted = by_id[f"image {seed}"]
                assert best.image_id == wanted.image_id
                assert best.view == wanted.view
                assert best.votes >= wanted.votes / 3
                assert all(one.votes <= DIMENSIONS for one in found)

    def test_the_best_of_each_stage_are_found(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        wanted, other, another = describe_pictures(3)
        index.upsert(
            collection_id,
            [
                build_entry(1, other._replace(vector=wanted.vector), image_id="close"),
                build_entry(2, wanted._replace(vector=other.vector), image_id="voted"),
                build_entry(3, another, image_id="neither"),
            ],
        )
        no_probes = np.empty((0, DIMENSIONS), np.int8)

        def find(limit: int = 1, **given: Any) -> list[str]:
            return get_ids(
                index.find_candidates(collection_id, build_query(wanted, limit, **given))
            )

        assert find() == ["close", "voted"]
        assert find(views=[]) == ["close"]
        assert find(probes=no_probes) == ["voted"]
        assert find(probes=no_probes, views=[]) == []
        assert find(limit=0) == []
        assert find(without={"close"}, views=[]) != ["close"]
        assert find(without={"close", "voted", "neither", "unknown"}) == []
        assert find(allowed={"neither", "unknown"}) == ["neither"]
        assert find(allowed={"voted", "neither"}, without={"voted"}) == ["neither"]
        assert find(allowed=set()) == []
        (voted,) = index.find_candidates(collection_id, build_query(wanted, probes=no_probes))
        assert voted.cosine == -1

    def test_those_with_the_most_votes_are_found_among_many(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        wanted, other = describe_pictures(2)
        index.upsert(
            collection_id,
            [
                build_entry(
                    number,
                    other._replace(
                        codes=wanted.codes[:shared],
                        words=wanted.words[:shared],
                        places=wanted.places[:shared],
                    ),
                )
                for number, shared in enumerate(range(60, 0, -1), 1)
            ],
        )
        no_probes = np.empty((0, DIMENSIONS), np.int8)
        query = build_query(wanted, 5, probes=no_probes)
        found = set(get_ids(index.find_candidates(collection_id, query)))
        assert found == {f"image {number}" for number in range(1, 6)}
        allowed = {f"image {number}" for number in range(1, 61) if number % 3}
        query = build_query(wanted, 4, probes=no_probes, allowed=allowed, without={"image 2"})
        found = set(get_ids(index.find_candidates(collection_id, query)))
        assert found == {f"image {number}" for number in (1, 4, 5, 7)}

    def test_a_candidate_says_which_probe_and_view_found_it(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        wanted, other = describe_pictures(2)
        index.upsert(collection_id, [build_entry(1, wanted)])
        (found,) = index.find_candidates(
            collection_id,
            build_query(
                wanted,
                probes=np.stack([other.vector, wanted.vector]),
                views=[features_of(other), features_of(wanted)],
            ),
        )
        assert (found.probe, found.view) == (1, 1)

    def test_equally_close_ones_come_by_id(self, index: OutsideIndex, collection_id: str) -> None:
        one = made(np.random.default_rng(1), 0)
        ids = ["b", "a", "B", "ä", "%s", "quoted \" {},\\ and '"]
        index.upsert(
            collection_id,
            [build_entry(n, one, image_id=image_id) for n, image_id in enumerate(ids)],
        )
        query = build_query(one, views=[])
        assert get_ids(index.find_candidates(collection_id, query)) == sorted(ids)
        query = build_query(one, allowed=set(ids[3:]), without={"a", *ids[4:]}, views=[])
        assert get_ids(index.find_candidates(collection_id, query)) == ["ä"]

    # Embeddings

    def test_embeddings_are_returned_by_model(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        one, other = draw_embeddings(2)
        index.upsert(
            collection_id,
            [build_entry(1, None, one), build_entry(2, None, other, embedding_model=OTHER_MODEL)],
        )
        found = index.get_vector(collection_id, MODEL, "image 1")
        assert found is not None
        assert found.dtype == np.int8
        assert found.tolist() == one.tolist()
        assert index.get_vector(collection_id, OTHER_MODEL, "image 1") is None
        assert index.get_vector(collection_id, MODEL, "image 3") is None
        (portion,) = index.iter_closest(collection_id, OTHER_MODEL, one)
        assert get_ids(portion) == ["image 2"]
        # The project has changed its model, and then has none.
        index.upsert(
            collection_id, [build_entry(1, None, one, embedding_model=OTHER_MODEL, stamp=2)]
        )
        assert index.get_vector(collection_id, MODEL, "image 1") is None
        assert index.get_vector(collection_id, OTHER_MODEL, "image 1") is not None
        index.upsert(collection_id, [build_entry(1, stamp=3)])
        assert index.get_vector(collection_id, OTHER_MODEL, "image 1") is None

    def test_the_closest_embeddings_are_those_of_the_memory_index(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        embeddings = draw_embeddings(600)
        embeddings[300:310] = embeddings[5]  # equally close ones come by id
        entries = [build_entry(number, None, one) for number, one in enumerate(embeddings)]
        index.upsert(collection_id, entries)
        memory = EmbeddingIndex()
        for one in entries:
            memory.put(one.image_id, one.embedding or b"")
        for probe in (embeddings[5], -embeddings[7]):
            expected = find_closest(memory.list_visible(), probe, 1000)
            portions = list(index.iter_closest(collection_id, MODEL, probe))
            assert list(chain.from_iterable(portions)) == expected
            assert len(portions) > 1
            assert len(portions[0]) < 300
        allowed = {f"image {number}" for number in range(0, 600, 7)} | {"image 5"}
        without = {"image 7", "image 5"}
        parts = select_visible(memory.list_visible(), allowed, without)
        portions = list(index.iter_closest(collection_id, MODEL, embeddings[5], allowed, without))
        assert list(chain.from_iterable(portions)) == find_closest(parts, embeddings[5], 1000)
        close = list(
            chain.from_iterable(
                index.iter_closest(collection_id, MODEL, embeddings[5], min_cosine=0.2)
            )
        )
        expected = find_closest(memory.list_visible(), embeddings[5], 1000)
        assert close == [one for one in expected if one.cosine >= 0.2]
        assert list(index.iter_closest(collection_id, MODEL, embeddings[5], allowed=set())) == []

    def test_embeddings_without_a_length_are_close_to_nothing(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        embeddings = draw_embeddings(4)
        embeddings[1] = 0
        index.upsert(collection_id, [build_entry(n, None, one) for n, one in enumerate(embeddings)])
        found = chain.from_iterable(index.iter_closest(collection_id, MODEL, embeddings[0]))
        assert {one.image_id: one.cosine for one in found}["image 1"] == 0
        closest = chain.from_iterable(index.iter_closest(collection_id, MODEL, embeddings[1]))
        assert list(closest) == [(f"image {number}", 0) for number in range(4)]

    def test_a_probe_of_another_length_finds_nothing(
        self, index: OutsideIndex, collection_id: str
    ) -> None:
        index.upsert(collection_id, [build_entry(1, None, draw_embeddings(1)[0])])
        longer = np.ones(2 * WIDTH, np.int8)
        assert list(index.iter_closest(collection_id, MODEL, longer)) == []
