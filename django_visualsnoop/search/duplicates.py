"""``duplicates()``: pairs of images that look alike → groups of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from django.db import models

from django_visualsnoop.collections import collections
from django_visualsnoop.common.clustering import Link, grouped, list_links_within
from django_visualsnoop.common.search_options import check_similarity
from django_visualsnoop.indexed.image_ids import ImageIds
from django_visualsnoop.indexed.pictures import find_pictures
from django_visualsnoop.search.aliases import written_alias
from django_visualsnoop.search.keys import read_keys, read_present_keys
from django_visualsnoop.search.not_duplicates import list_marked_keys, order_keys
from django_visualsnoop.search.similar import fields_searched

if TYPE_CHECKING:
    from django_visualsnoop.common.budgets import Budget
    from django_visualsnoop.querysets import VisualSnoopQuerySet

_Model = TypeVar("_Model", bound=models.Model)

#: The number of groups whose rows one query fetches.
GROUPS_PER_QUERY = 100
#: Collections yield all pairs of groups of up to this many rows; see ``engine.pairs``.
_LARGE = 16


@dataclass(frozen=True)
class GroupMember(Generic[_Model]):
    """A row of a group, with its similarity to the row that it resembles most."""

    row: _Model
    rank: int
    #: 0…1; ``None`` if the collection does not provide it.
    similarity: float | None
    #: The name of the image field of the picture.
    field: str


@dataclass(frozen=True)
class DuplicateGroup(Sequence[_Model]):
    """Two or more rows whose pictures are copies of each other, closest first."""

    members: tuple[GroupMember[_Model], ...]

    @property
    def rank(self) -> int:
        """Return the rank of the closest pair."""
        return self.members[0].rank

    @property
    def similarity(self) -> float | None:
        """Return the similarity of the closest pair."""
        return self.members[0].similarity

    @overload
    def __getitem__(self, index: int) -> _Model: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_Model]: ...
    def __getitem__(self, index: int | slice) -> _Model | Sequence[_Model]:
        if isinstance(index, slice):
            return tuple(member.row for member in self.members[index])
        return self.members[index].row

    def __len__(self) -> int:
        return len(self.members)


@dataclass(frozen=True, slots=True)
class _Key:
    """A member whose row is not fetched yet."""

    key: Any
    rank: int
    similarity: float | None
    field: str


class DuplicateGroups(Sequence[DuplicateGroup[_Model]]):
    """The groups, best first.

    Access to groups fetches their rows, with one query for up to ``GROUPS_PER_QUERY`` groups.
    """

    def __init__(
        self, queryset: models.QuerySet[_Model], groups: list[list[_Key]], complete: bool = True
    ) -> None:
        self._queryset = queryset
        self._groups = groups
        #: Whether everything was compared, and not only as much as the budget allowed.
        self.complete = complete

    def __len__(self) -> int:
        return len(self._groups)

    @overload
    def __getitem__(self, index: int) -> DuplicateGroup[_Model]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[DuplicateGroup[_Model]]: ...
    def __getitem__(
        self, index: int | slice
    ) -> DuplicateGroup[_Model] | Sequence[DuplicateGroup[_Model]]:
        if isinstance(index, slice):
            return DuplicateGroups(self._queryset, self._groups[index], self.complete)
        return self._fetch([self._groups[index]])[0]

    def __iter__(self) -> Iterator[DuplicateGroup[_Model]]:
        for start in range(0, len(self._groups), GROUPS_PER_QUERY):
            yield from self._fetch(self._groups[start : start + GROUPS_PER_QUERY])

    def __repr__(self) -> str:
        return f"<{len(self)} groups of duplicate {self._queryset.model._meta.verbose_name_plural}>"

    def _fetch(self, groups: list[list[_Key]]) -> list[DuplicateGroup[_Model]]:
        keys = {member.key for group in groups for member in group}
        rows = {row.pk: row for row in self._queryset.filter(pk__in=keys)}
        fetched = (
            tuple(
                GroupMember(rows[member.key], member.rank, member.similarity, member.field)
                for member in group
                if member.key in rows
            )
            for group in groups
        )
        # Rows may have been deleted since the search.
        return [DuplicateGroup(members) for members in fetched if len(members) > 1]


def find_duplicates(
    queryset: VisualSnoopQuerySet[_Model],
    *,
    of: models.QuerySet[Any] | None,
    field: str | None,
    min_similarity: float | None,
    progress: Callable[[float], object] | None = None,
    budget: Budget | None = None,
    closer_look: bool = True,
) -> DuplicateGroups[_Model]:
    """Implement ``VisualSnoopQuerySet.duplicates()``.

    Args:
        budget: limits the work; no limit if ``None``.
        closer_look: whether the collection may read files of rows to look closer at them.
    """
    check_similarity(min_similarity)
    fields = fields_searched(queryset.model, field)
    filtered = queryset.query.has_filters()
    selected = read_keys(of if of is not None else queryset) if of is not None or filtered else None
    allowed = selected if of is None else read_keys(queryset) if filtered else None
    ids = ImageIds((field, written_alias(field, queryset)) for field in fields)
    aliases = tuple({field.collection for field in fields})
    search = _Search(ids, aliases, min_similarity, allowed, budget, closer_look)
    pairs = search.pairs(selected, progress)
    if progress is not None:
        progress(1.0)
    if selected is not None:
        # Whether an uncertain link joins two rows also depends on the links of these rows with the
        # others.
        unsure = {key for keys, link in pairs.items() if not link.is_sure for key in keys}
        if among := unsure - selected:
            more = search.pairs(among)
            pairs |= {keys: link for keys, link in more.items() if unsure.issuperset(keys)}
    if of is None and selected is not None:
        present = selected
    else:
        present = read_present_keys(queryset, {key for pair in pairs for key in pair})
    if lonely := _joined_by_absent(pairs, present):
        pairs |= search.among(present).pairs(lonely)
    pairs = {pair: found for pair, found in pairs.items() if present.issuperset(pair)}
    groups = _groups(pairs, search.list_separate(pairs))
    if of is not None and selected is not None:
        groups = [group for group in groups if not selected.isdisjoint(one.key for one in group)]
    return DuplicateGroups(queryset, groups, complete=budget is None or budget.complete)


def _joined_by_absent(pairs: dict[tuple[Any, Any], Link], present: set[Any]) -> set[Any]:
    """Return rows linked to absent rows, if possibly only the absent rows join them.

    A collection may omit pairs of a large group that are not needed to connect it.
    """
    by_absent = {
        key
        for pair in pairs
        for key, gone in (pair, pair[::-1])
        if key in present and gone not in present
    }
    if not by_absent:
        return set()
    large = (group for group in grouped(pairs) if len(group) > _LARGE)
    return {key for group in large for key in group & by_absent}


@dataclass(frozen=True)
class _Search:
    """A search for pairs.

    Args:
        ids: the image ids of the fields to search.
        aliases: aliases of the fields' collections.
        min_similarity: the threshold of a pair.
        allowed: keys of the rows to include; all if ``None``.
        budget: limits all calls together.
        closer_look: whether collections may read files to look closer at them.
    """

    ids: ImageIds
    aliases: tuple[str, ...]
    min_similarity: float | None
    allowed: set[Any] | None
    budget: Budget | None
    closer_look: bool

    def among(self, allowed: set[Any]) -> _Search:
        return replace(self, allowed=allowed)

    def pairs(
        self, selected: set[Any] | None, progress: Callable[[float], object] | None = None
    ) -> dict[tuple[Any, Any], Link]:
        """Return pairs of keys of different rows, each with its closest pictures.

        Args:
            selected: return only pairs with one of these rows, if given.
            progress: called with the completed part of the work.
        """
        found: dict[tuple[Any, Any], Link] = {}
        for number, alias in enumerate(self.aliases):
            share = _share_of(progress, number, len(self.aliases))
            self._add_pairs(found, alias, selected, share)
        return found

    def list_separate(self, pairs: Mapping[tuple[Any, Any], Link]) -> set[tuple[Any, Any]]:
        """Return pairs of rows marked as not duplicates, without those that others join.

        Rows with several pictures may have a marked pair of pictures, and another one that links
        them.
        """
        keys = {key for pair in pairs for key in pair}
        return set(list_marked_keys(self.ids, self.aliases, keys)).difference(pairs)

    def _add_pairs(
        self,
        found: dict[tuple[Any, Any], Link],
        alias: str,
        selected: set[Any] | None,
        progress: Callable[[float], object] | None,
    ) -> None:
        ids = self.ids.in_collection(alias)

        def counts(image_id: str) -> bool:
            parsed = ids.parse(image_id)
            return parsed is not None and (self.allowed is None or parsed.key in self.allowed)

        for pair in collections[alias].iter_pairs(
            min_similarity=self.min_similarity,
            touching=None if selected is None else ids.build(selected),
            progress=progress,
            among=counts,
            budget=self.budget,
            find_pictures=partial(find_pictures, ids) if self.closer_look else None,
        ):
            first, second = ids.parse(pair.first_id), ids.parse(pair.second_id)
            if first is None or second is None or first.key == second.key:
                continue
            keys = order_keys(first.key, second.key)
            if keys[0] != first.key:
                first, second = second, first
            if keys not in found or pair.rank < found[keys].rank:
                names = (first.field.name, second.field.name)
                found[keys] = Link(pair.rank, pair.similarity, names)


def _share_of(
    progress: Callable[[float], object] | None, number: int, count: int
) -> Callable[[float], object] | None:
    """Return a callback for the progress of one of several collections."""
    if progress is None:
        return None
    return lambda share: progress((number + share) / count)


def _groups(pairs: dict[tuple[Any, Any], Link], separate: set[tuple[Any, Any]]) -> list[list[_Key]]:
    """Return the groups that result from the pairs; the one with the closest pair is first.

    Args:
        pairs: the links.
        separate: pairs of rows that no group contains both of.
    """
    groups = map(_list_members, list_links_within(grouped(pairs, separate), pairs))
    return sorted(groups, key=lambda group: (group[0].rank, -len(group), str(group[0].key)))


def _list_members(links: Mapping[tuple[Any, Any], Link]) -> list[_Key]:
    """Return the members of a group, closest first, from the links within it."""
    closest: dict[Any, _Key] = {}
    for keys, link in links.items():
        for key, field in zip(keys, link.fields, strict=True):
            if key not in closest or link.rank < closest[key].rank:
                closest[key] = _Key(key, link.rank, link.similarity, field)
    return sorted(closest.values(), key=lambda member: (member.rank, str(member.key)))
