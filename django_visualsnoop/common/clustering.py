"""Pairs of copies → groups.

Rows that sure links join are one group, however long the chain: a left and a right half of
one picture are both its copies, and no copies of each other. Links that are not so sure make
no chains. Where such a link would join two groups, each of the surely joined parts of the one
must be linked to each of the other (complete linkage; P. Sneath, R. Sokal, Numerical Taxonomy,
1973); otherwise it is left out. The surest are looked at first, so the weakest are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: From this similarity on a link is sure.
SURE = 0.9


@dataclass(frozen=True, slots=True)
class Link:
    """How close two rows come, and by which image field of either."""

    rank: int
    #: 0…1; ``None`` where the collection does not tell, which makes the link a sure one.
    similarity: float | None
    fields: tuple[str, str]

    @property
    def is_sure(self) -> bool:
        return self.similarity is None or self.similarity >= SURE


def grouped(links: Mapping[tuple[Any, Any], Link]) -> list[set[Any]]:
    """Return groups of two or more keys; no key is in two of them.

    Args:
        links: by the two keys, each pair once.
    """
    by_rank = sorted(links.items(), key=lambda item: (item[1].rank, str(item[0])))
    parts = _joined(links, (keys for keys, link in by_rank if link.is_sure))
    part_of = {key: part for part in parts for key in part}
    unsure = [(part_of[one], part_of[other]) for (one, other), link in by_rank if not link.is_sure]
    linked = {frozenset(pair) for pair in unsure}
    groups = {part: frozenset((part,)) for part in parts}
    for one, other in unsure:
        here, there = groups[one], groups[other]
        if here != there and all(frozenset((a, b)) in linked for a in here for b in there):
            groups |= dict.fromkeys(here | there, here | there)
    merged = (set[Any]().union(*group) for group in set(groups.values()))
    return [group for group in merged if len(group) > 1]


def _joined(
    links: Iterable[tuple[Any, Any]], sure: Iterable[tuple[Any, Any]]
) -> list[frozenset[Any]]:
    """Return the connected components of all keys by the sure links."""
    parent = {key: key for keys in links for key in keys}

    def root(key: Any) -> Any:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for one, other in sure:
        parent[root(one)] = root(other)
    members: dict[Any, set[Any]] = {}
    for key in parent:
        members.setdefault(root(key), set()).add(key)
    return [frozenset(group) for group in members.values()]
