"""Group pairs of copies.

Sure links join rows into one part, however long the chain: the left and the right half of a picture
are both copies of it, but not of each other. Unsure links do not form chains. An unsure link joins
two groups only if every part of one group is linked to every part of the other (complete linkage;
P. Sneath, R. Sokal, Numerical Taxonomy, 1973). Links are processed from the strongest to the
weakest, so the weakest are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def grouped(links: Mapping[tuple[Any, Any], Link]) -> list[set[Any]]:
    """Return groups of two or more keys; no key is in two of them.

    Args:
        links: pair of keys → link; each pair occurs once.
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
    """Return the connected components that the sure links form among all keys."""
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
