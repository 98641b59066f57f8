"""Group pairs of copies.

Sure links join rows into one part, however long the chain: the left and the right half of a picture
are both copies of it, but not of each other. Unsure links do not form chains. An unsure link joins
two groups only if every part of one group is linked to every part of the other (complete linkage;
P. Sneath, R. Sokal, Numerical Taxonomy, 1973). Links are processed from the strongest to the
weakest, so the weakest are dropped.

Two rows that a user marked as not duplicates are never in one group. A chain between them is cut at
its weakest link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_Key = TypeVar("_Key")

#: A link with at least this similarity is sure.
SURE = 0.9


@dataclass(frozen=True, slots=True)
class Link:
    """The similarity of two rows, and the image field of each that matched."""

    rank: int
    #: 0…1; ``None`` if the collection returns no similarity, in which case the link is sure.
    similarity: float | None
    fields: tuple[str, str]

    @property
    def is_sure(self) -> bool:
        return self.similarity is None or self.similarity >= SURE


def grouped(
    links: Mapping[tuple[_Key, _Key], Link], separate: Iterable[tuple[_Key, _Key]] = ()
) -> list[set[_Key]]:
    """Return groups of two or more keys; no key is in two of them.

    Args:
        links: pair of keys → link; each pair occurs once.
        separate: pairs of keys that no group contains both of.
    """
    groups = _grouped(links)
    apart: dict[_Key, set[_Key]] = {}
    for one, other in separate:
        apart.setdefault(one, set()).add(other)
        apart.setdefault(other, set()).add(one)
    if not apart:
        return groups
    return [
        part
        for group, inside in zip(groups, list_links_within(groups, links), strict=True)
        for part in _split(group, inside, apart)
    ]


def list_links_within(
    groups: Sequence[Collection[_Key]], links: Mapping[tuple[_Key, _Key], Link]
) -> list[dict[tuple[_Key, _Key], Link]]:
    """Return the links within each group; no key may be in two groups."""
    within: list[dict[tuple[_Key, _Key], Link]] = [{} for _ in groups]
    number_of = {key: number for number, group in enumerate(groups) for key in group}
    for (one, other), link in links.items():
        number = number_of.get(one)
        if number is not None and number == number_of.get(other):
            within[number][one, other] = link
    return within


def _split(
    group: set[_Key], links: Mapping[tuple[_Key, _Key], Link], apart: Mapping[_Key, set[_Key]]
) -> list[set[_Key]]:
    """Split a group so that no part contains two keys that are apart, closest links first."""
    if all(apart[key].isdisjoint(group) for key in group & apart.keys()):
        return [group]
    part_of = {key: frozenset((key,)) for key in group}
    for (one_key, other_key), _ in _order(links):
        one, other = part_of[one_key], part_of[other_key]
        if one != other and all(other.isdisjoint(apart.get(key, ())) for key in one):
            part_of |= dict.fromkeys(one | other, one | other)
    return [set(part) for part in set(part_of.values()) if len(part) > 1]


def _order(links: Mapping[tuple[_Key, _Key], Link]) -> list[tuple[tuple[_Key, _Key], Link]]:
    return sorted(links.items(), key=lambda item: (item[1].rank, str(item[0])))


def _grouped(links: Mapping[tuple[_Key, _Key], Link]) -> list[set[_Key]]:
    """Return the groups that result from the links alone."""
    by_rank = _order(links)
    parts = _joined(links, (keys for keys, link in by_rank if link.is_sure))
    part_of = {key: part for part in parts for key in part}
    unsure = [(part_of[one], part_of[other]) for (one, other), link in by_rank if not link.is_sure]
    linked = {frozenset(pair) for pair in unsure}
    groups = {part: frozenset((part,)) for part in parts}
    for one, other in unsure:
        here, there = groups[one], groups[other]
        if here != there and all(frozenset((a, b)) in linked for a in here for b in there):
            groups |= dict.fromkeys(here | there, here | there)
    merged = (set[_Key]().union(*group) for group in set(groups.values()))
    return [group for group in merged if len(group) > 1]


def _joined(
    links: Iterable[tuple[_Key, _Key]], sure: Iterable[tuple[_Key, _Key]]
) -> list[frozenset[_Key]]:
    """Return the connected components that the sure links form among all keys."""
    parent = {key: key for keys in links for key in keys}

    def root(key: _Key) -> _Key:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for one, other in sure:
        parent[root(one)] = root(other)
    members: dict[_Key, set[_Key]] = {}
    for key in parent:
        members.setdefault(root(key), set()).add(key)
    return [frozenset(group) for group in members.values()]
