"""A walk over the postings finds the pairs that the memory index finds."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors.describe import describe
from django_visualsnoop.engine.descriptors.local_features import MIRRORED_CODE, MIRRORED_WORD
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.index.memory.join import Mirror, find_voting_pairs
from django_visualsnoop.engine.index.memory.merge import merge_lists
from django_visualsnoop.engine.index.memory.pair_counts import PairCounts, split_pair_keys
from django_visualsnoop.engine.index.pgvector import PgvectorIndex
from django_visualsnoop.engine.index.pgvector.pairs import (
    RANGES,
    iter_voting_pairs,
    name_images,
)
from tests.engine.index.outside_contract import build_entry, describe_pictures, draw_picture

pytestmark = pytest.mark.service("pgvector")


def test_a_walk_finds_the_pairs_of_the_memory_index(database: str) -> None:
    descriptors = [
        *describe_pictures(8),
        *(describe(draw_picture(seed)[20:220, 30:300]) for seed in range(4)),
        *(describe(np.ascontiguousarray(draw_picture(seed)[:, ::-1])) for seed in range(2)),
    ]
    entries = [build_entry(number, one) for number, one in enumerate(descriptors)]
    index = PgvectorIndex(database)
    index.prepare()
    collection_id, other_id = secrets.token_hex(4), secrets.token_hex(4)
    index.upsert(other_id, entries[:3])  # joins nothing
    index.upsert(collection_id, entries)

    memory = DescriptorIndex()
    for one in entries:
        memory.put(one.image_id, one.descriptor or b"")
    counts = PairCounts()
    parts = memory.list_parts()
    for postings in merge_lists(parts):
        counts.add(*find_voting_pairs(postings, Mirror(MIRRORED_WORD, MIRRORED_CODE)))
    ids = [one for part in parts for one in part.segment.ids.get_ids(np.arange(part.segment.size))]
    expected = name_pairs(counts, dict(enumerate(ids)))
    assert {("image 0", "image 8"), ("image 1", "image 13")} <= expected.keys()

    counts = PairCounts()
    ranges = []
    for found in iter_voting_pairs(database, collection_id):
        ranges.append(found.range_number)
        counts.add(found.keys, found.votes)
        if found.range_number == 40:  # interrupted
            break
    for found in iter_voting_pairs(database, collection_id, ranges[-1] + 1):
        ranges.append(found.range_number)
        counts.add(found.keys, found.votes)
    assert ranges == list(range(RANGES))
    numbers = np.concatenate(split_pair_keys(counts.get_counts(1)[0]))
    assert name_pairs(counts, name_images(database, numbers)) == expected
    assert list(iter_voting_pairs(database, "none")) == []


def name_pairs(counts: PairCounts, names: dict[int, str]) -> dict[tuple[str, str], int]:
    keys, votes = counts.get_counts(1)
    first, second = split_pair_keys(keys)
    return {
        tuple(sorted((names[one], names[other]))): vote  # type: ignore[misc]
        for one, other, vote in zip(first.tolist(), second.tolist(), votes.tolist(), strict=True)
    }
