"""Which lists are read, and which images get votes."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.index.keys import MAX_CODE_BITS, select_code_bits
from django_visualsnoop.engine.index.memory import inverted

DICE = np.random.default_rng(21)


def made_lists(postings: int, words: int) -> inverted.Lists:
    codes = DICE.integers(0, 2**64, postings, dtype=np.uint64)
    codes[::3] = codes[0]
    slots = np.sort(DICE.integers(0, postings, postings)).astype(np.uint32)
    return inverted.build_lists(DICE.integers(0, words, postings).astype(np.uint32), slots, codes)


def made_probes(
    lists: inverted.Lists, count: int, words: int, bits: int | None
) -> inverted.WordProbes:
    codes = DICE.integers(0, 2**64, count, dtype=np.uint64)
    codes[::2] = lists.codes[DICE.integers(0, len(lists.codes), len(codes[::2]))]
    # Some have no list.
    return inverted.WordProbes(
        DICE.integers(0, words + 2, count).astype(np.uint32),
        codes,
        np.arange(count),
        DICE.integers(0, MAX_CODE_BITS + 1, count) if bits is None else np.full(count, bits),
    )


def test_postings_are_in_the_order_of_words_then_chosen_bits_then_slots() -> None:
    lists = made_lists(500, 5)
    words = np.repeat(lists.words, np.diff(lists.starts))
    order = np.lexsort((lists.slots, select_code_bits(lists.codes), words))
    assert order.tolist() == list(range(500))


@pytest.mark.parametrize("words", [1, 7, 300])
@pytest.mark.parametrize("bits", [0, 1, 9, MAX_CODE_BITS, None])
def test_narrowed_lists_have_the_postings_that_agree_in_the_first_bits(
    words: int, bits: int | None
) -> None:
    lists = made_lists(900, words)
    probes = made_probes(lists, 60, words, bits)
    places = inverted.find_lists(lists, probes.words)
    starts, counts = inverted.narrow_lists(lists, probes, places)
    of_word = np.repeat(lists.words, np.diff(lists.starts))
    for number, (word, code, _, given) in enumerate(zip(*probes, strict=True)):
        shift = np.uint16(MAX_CODE_BITS - given)
        agree = select_code_bits(lists.codes) >> shift == select_code_bits(code[None]) >> shift
        wanted = np.flatnonzero(agree & (of_word == word))
        found = np.arange(starts[number], starts[number] + counts[number])
        assert found.tolist() == wanted.tolist()


def test_there_is_nothing_to_narrow_without_postings() -> None:
    lists = inverted.build_lists(
        np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.uint64)
    )
    probes = inverted.WordProbes(
        np.array([3], np.uint32), np.array([4], np.uint64), np.array([0]), np.array([5])
    )
    places = inverted.find_lists(lists, probes.words)
    starts, counts = inverted.narrow_lists(lists, probes, places)
    assert (starts.tolist(), counts.tolist()) == ([0], [0])


def test_within_the_budget_all_lists_are_read_as_a_whole() -> None:
    assert inverted.choose_code_bits(np.array([5, 1, 7, 0, 2]), 15).tolist() == [0] * 5


def test_beyond_the_budget_longer_lists_are_narrowed_more() -> None:
    counts = np.array([5, 1000, 0, 40, 10**9])
    bits = inverted.choose_code_bits(counts, 200)
    assert bits[[0, 2, 3]].tolist() == [0, 0, 0]
    assert 0 < bits[1] < bits[4] == MAX_CODE_BITS


@pytest.mark.parametrize("budget", [0, 1, 999, 20_000])
def test_what_is_read_is_about_the_budget(budget: int) -> None:
    counts = DICE.lognormal(4, 2, 400).astype(np.int64)
    bits = inverted.choose_code_bits(counts, budget)
    kept = counts * inverted._SHARE_PER_BIT**bits
    assert kept[bits < MAX_CODE_BITS].sum() <= budget + len(counts)
    assert (bits[counts <= 1] == 0).all()


def test_the_shortest_lists_are_read_first() -> None:
    counts = np.array([5, 1, 7, 0, 2])
    assert inverted.select_affordable(counts, 15).all()
    assert inverted.select_affordable(counts, 14).tolist() == [True, True, False, True, True]
    assert inverted.select_affordable(counts, 7).tolist() == [False, True, False, True, True]
    assert inverted.select_affordable(counts, 0).tolist() == [False, False, False, True, False]


def test_a_vote_counts_for_the_features_that_were_not_read() -> None:
    slots, bits = np.array([7, 7, 8, 8, 9]), np.array([0, 0, 12, 0, 12])
    features, distances = np.array([0, 1, 0, 1, 0]), np.array([0, 0, 0, 0, 5], dtype=np.uint8)
    found, votes, _ = inverted.count_votes(inverted.ClosePostings(slots, features, distances, bits))
    assert found.tolist() == [7, 8, 9]
    missed = inverted._COPIES_PER_BIT**-12
    assert missed > 1.5
    assert votes.tolist() == pytest.approx([2, 1 + missed, (1 - 5 / 15) * missed])
