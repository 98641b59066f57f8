"""Keys: equal for features that agree in their word and some bits of their code."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.index.base import Features
from django_visualsnoop.engine.index.keys import (
    CODE_BITS,
    MAX_CODE_BITS,
    WORD_BITS,
    build_keys,
    build_query_keys,
)

DICE = np.random.default_rng(16)
WORDS = DICE.integers(0, 2**WORD_BITS, 500).astype(np.uint32)
CODES = DICE.integers(0, 2**64, 500, dtype=np.uint64)
EMPTY = Features(np.empty(0, dtype=np.uint64), np.empty((0, 4), dtype=np.uint32))


def test_a_key_has_32_bits_and_starts_with_the_word() -> None:
    keys = build_keys(WORDS, CODES)
    assert keys.dtype == np.uint32
    assert (keys >> np.uint32(CODE_BITS) == WORDS).all()
    highest = build_keys(np.array([2**WORD_BITS - 1], np.uint32), np.array([2**64 - 1], np.uint64))
    assert highest.tolist() == [2**32 - 1]


@pytest.mark.parametrize("code_bits", range(MAX_CODE_BITS))
def test_a_key_with_fewer_bits_is_a_prefix(code_bits: int) -> None:
    longer = build_keys(WORDS, CODES, code_bits + 1)
    assert (longer >> longer.dtype.type(1) == build_keys(WORDS, CODES, code_bits)).all()


@pytest.mark.parametrize("code_bits", [0, 8, CODE_BITS, MAX_CODE_BITS])
def test_a_key_depends_on_as_many_bits_of_the_code_as_asked_for(code_bits: int) -> None:
    keys = build_keys(WORDS, CODES, code_bits)
    changed = [
        bit
        for bit in range(64)
        if (build_keys(WORDS, CODES ^ np.uint64(1 << bit), code_bits) != keys).any()
    ]
    assert len(changed) == code_bits
    for bit in changed:
        flipped = build_keys(WORDS, CODES ^ np.uint64(1 << bit), code_bits)
        assert (np.bitwise_count(flipped ^ keys) == 1).all()


@pytest.mark.parametrize("code_bits", [-1, MAX_CODE_BITS + 1])
def test_there_are_not_more_bits_than_chosen(code_bits: int) -> None:
    with pytest.raises(ValueError, match=f"0 to {MAX_CODE_BITS}, not {code_bits}"):
        build_keys(WORDS, CODES, code_bits)


def test_a_query_asks_for_each_feature_by_each_of_its_words() -> None:
    near = np.stack([WORDS, WORDS ^ np.uint32(3)], axis=1)
    found = build_query_keys(Features(CODES, near))
    pairs = set(zip(found.keys.tolist(), found.features.tolist(), strict=True))
    assert len(pairs) == len(found.keys) == 2 * len(CODES)
    for column in near.T:
        keys = build_keys(column, CODES).tolist()
        assert pairs.issuperset(zip(keys, range(len(CODES)), strict=True))
    assert (np.diff(found.keys.astype(np.int64)) >= 0).all()


def test_a_feature_asks_once_for_a_key() -> None:
    words = np.array([[7, 7], [7, 8]], dtype=np.uint32)
    found = build_query_keys(Features(np.zeros(2, dtype=np.uint64), words), 0)
    assert found.keys.tolist() == [7, 7, 8]
    assert found.features.tolist() == [0, 1, 1]


def test_a_picture_without_features_has_no_keys() -> None:
    assert build_keys(EMPTY.words[:, 0], EMPTY.codes).tolist() == []
    assert build_query_keys(EMPTY).keys.tolist() == []
