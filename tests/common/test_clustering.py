"""Which links make a group."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_visualsnoop.common.clustering import SURE, Link, grouped

if TYPE_CHECKING:
    import random

Links = dict[tuple[str, str], Link]


def link(similarity: float | None) -> Link:
    rank = 0 if similarity is None else round(100 * (1 - similarity))
    return Link(rank, similarity, ("photo", "photo"))


def links(**similarities: float | None) -> Links:
    """``ab=0.6``: a and b are linked."""
    return {(name[0], name[1]): link(value) for name, value in similarities.items()}


def groups(found: Links, *separate: str) -> list[str]:
    """``"ab"``: no group contains both a and b."""
    made = grouped(found, [(pair[0], pair[1]) for pair in separate])
    return sorted("".join(sorted(group)) for group in made)


def test_nothing_makes_no_group() -> None:
    assert grouped({}) == []


def test_a_single_unsure_link_is_a_group() -> None:
    assert groups(links(ab=0.5)) == ["ab"]


def test_sure_links_make_a_chain() -> None:
    assert groups(links(ab=0.99, bc=SURE, cd=1.0, xy=1.0)) == ["abcd", "xy"]


def test_a_link_as_similar_as_it_takes_is_sure() -> None:
    assert link(SURE).is_sure
    assert not link(SURE - 0.001).is_sure
    assert groups(links(ab=SURE, bc=SURE)) == ["abc"]


def test_links_without_similarity_are_sure() -> None:
    assert groups(links(ab=None, bc=None)) == ["abc"]


def test_unsure_links_make_none_and_the_weakest_is_left_out() -> None:
    assert groups(links(ab=0.8, bc=0.6)) == ["ab"]
    assert groups(links(ab=0.6, bc=0.8)) == ["bc"]
    assert groups(links(ab=0.8, bc=0.6, cd=0.7)) == ["ab", "cd"]


def test_of_links_as_close_as_each_other_the_order_does_not_matter() -> None:
    chain = links(ab=0.6, bc=0.6, cd=0.6, de=0.6)
    assert groups(chain) == groups(dict(reversed(chain.items()))) == ["ab", "cd"]


def test_rows_that_are_all_linked_are_a_group_however_unsure() -> None:
    assert groups(links(ab=0.6, bc=0.7, ac=0.5)) == ["abc"]
    assert groups(links(ab=0.6, bc=0.7, ac=0.5, ad=0.6, bd=0.6)) == ["abc"]


def test_an_unsure_link_joins_what_is_surely_joined_as_a_whole() -> None:
    assert groups(links(ab=1.0, bc=1.0, cd=0.6)) == ["abcd"]
    assert groups(links(ab=1.0, bc=0.6, cd=1.0)) == ["abcd"]
    assert groups(links(ab=1.0, bc=0.7, cd=1.0, de=0.6)) == ["abcd"]
    assert groups(links(ab=1.0, bc=0.7, cd=1.0, de=0.6, ea=0.5)) == ["abcde"]


def test_a_chain_between_separate_rows_breaks_where_it_is_weakest() -> None:
    chain = links(ab=0.99, bc=0.95, cd=0.98)
    assert groups(chain) == ["abcd"]
    assert groups(chain, "ad") == groups(chain, "da", "xy") == ["ab", "cd"]
    assert groups(chain, "ab") == ["bcd"]
    assert groups(links(ab=0.99, bc=0.98), "ac") == ["ab"]
    assert groups(links(ab=0.99), "ab") == []
    assert groups(chain | links(xy=1.0, yz=1.0), "bc", "xz") == ["ab", "cd", "xy"]


@given(
    st.dictionaries(
        st.sampled_from(list(combinations("abcdefgh", 2))),
        st.sampled_from([0.5, 0.6, 0.7, 0.89, SURE, 1.0, None]),
    ),
    st.randoms(use_true_random=False),
)
def test_groups_part_the_rows_and_no_group_falls_apart(
    similarities: dict[tuple[str, str], float | None], dice: random.Random
) -> None:
    found = {keys: link(value) for keys, value in similarities.items()}
    made = grouped(found)
    for one, other in combinations(made, 2):
        assert not one & other
    for keys, between in found.items():
        if between.is_sure:
            assert any(group.issuperset(keys) for group in made)
    surely = _components([keys for keys, between in found.items() if between.is_sure])
    for group in made:
        assert len(group) > 1
        parts = {surely.get(key, frozenset(key)) for key in group}
        for part, rest in combinations(parts, 2):
            assert any((a, b) in found or (b, a) in found for a in part for b in rest)
    shuffled = list(found.items())
    dice.shuffle(shuffled)
    assert groups(dict(shuffled)) == groups(found)


def _components(pairs: list[tuple[str, str]]) -> dict[str, frozenset[str]]:
    part: dict[str, frozenset[str]] = {}
    for one, other in pairs:
        joined = part.get(one, frozenset(one)) | part.get(other, frozenset(other))
        part |= dict.fromkeys(joined, joined)
    return part


@pytest.mark.parametrize("count", [3000])
def test_very_many_copies_of_one_picture(count: int) -> None:
    found = {(f"{n:04}", f"{n + 1:04}"): link(1.0) for n in range(count)}
    (group,) = grouped(found)
    assert len(group) == count + 1
