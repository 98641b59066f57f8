"""Store the groups that a search has found."""

from __future__ import annotations

import secrets
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousOperation
from django.db import connections
from django.db.models import Max

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.transactions import write_when_free
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.review.record import ReviewGroup, ReviewMember, ReviewSearch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.search.duplicates import DuplicateGroup, DuplicateGroups

#: Rows written by one statement.
_TOGETHER = 500
#: How long to ask storages for the sizes of files, in seconds: remote ones take longer.
_SIZING_SECONDS = 10.0
_State = ReviewGroup.State


def replace_groups(search: ReviewSearch, groups: DuplicateGroups[Any], lease: int) -> None:
    """Replace the open groups of a search by those that it has found.

    A group whose rows are all kept in one decided group is not opened again.

    Args:
        search: the search.
        groups: the groups, closest first.
        lease: the lease of the process; without it, nothing is replaced.
    """
    using = search._state.db
    assert using is not None
    built = list(_build_groups(search, groups))

    def work() -> None:
        if not ReviewSearch.objects.using(using).filter(pk=search.pk, lease=lease).exists():
            return
        _delete_groups(using, search=search, state=_State.OPEN)
        # The groups that were resolved are kept as long as they can be undone.
        _delete_groups(using, search=search, state=_State.RESOLVED, resolution=None)
        _insert_new(search, built)

    write_when_free(work, ReviewSearch, using=using)


def add_groups(search: ReviewSearch, groups: DuplicateGroups[Any]) -> str:
    """Store groups found for some rows; return the text that marks them as this selection.

    They replace open groups that share a row with them.
    """
    using = search._state.db
    assert using is not None
    selection = secrets.token_hex(8)
    built = list(_build_groups(search, groups))
    for group, _members in built:
        group.selection = selection
    keys = {member.object_id for _, members in built for member in members}

    def work() -> None:
        outdated: set[int] = set()
        for some in batched(sorted(keys), _TOGETHER):
            found = ReviewMember.objects.using(using).filter(
                group__search=search, group__state=_State.OPEN, object_id__in=some
            )
            outdated.update(found.values_list("group_id", flat=True))
        for ids in batched(sorted(outdated), _TOGETHER):
            _delete_groups(using, pk__in=ids)
        _insert_new(search, built)

    write_when_free(work, ReviewSearch, using=using)
    return selection


class _KeptGroups:
    """The groups whose rows were all kept, as copies or as no duplicates.

    Not every collection remembers pairs that are not duplicates.
    """

    def __init__(self, search: ReviewSearch) -> None:
        members = ReviewMember.objects.using(search._state.db).filter(
            group__search=search, group__state__in=[_State.KEPT, _State.NOT_DUPLICATES]
        )
        self._groups: dict[str, set[int]] = {}
        for key, number in members.values_list("object_id", "group_id"):
            self._groups.setdefault(key, set()).add(number)

    def contain(self, built: _Built) -> bool:
        """Return whether one of them contains all rows of a group."""
        found = [self._groups.get(member.object_id, set()) for member in built[1]]
        return bool(set.intersection(*found))


_Built = tuple[ReviewGroup, list[ReviewMember]]


def _build_groups(search: ReviewSearch, groups: Iterable[DuplicateGroup[Any]]) -> Iterator[_Built]:
    using = search._state.db
    sizes = _Sizes()
    for found in groups:
        key_text = _get_key_field(type(found[0])).key_text
        members = [
            ReviewMember(
                object_id=key_text(member.row.pk, using or "default"),
                field=member.field,
                rank=member.rank,
                similarity=member.similarity,
            )
            for member in found.members
        ]
        similarities = [one.similarity for one in found.members if one.similarity is not None]
        group = ReviewGroup(
            search=search,
            digest=hash_keys(member.object_id for member in members),
            size=len(members),
            similarity=min(similarities) if len(similarities) == len(members) else None,
            free_bytes=sizes.sum_free(found),
        )
        yield group, members


def _get_key_field(model: type[Any]) -> IndexedField:
    return indexed_fields(model)[0]


def hash_keys(keys: Iterable[str]) -> str:
    """Return a hash of the keys of a group's rows, in whichever order they are."""
    return sha256("\0".join(sorted(keys)).encode("utf-8", "surrogatepass")).hexdigest()


class _Sizes:
    """Asks storages for the sizes of files, for a limited time."""

    def __init__(self) -> None:
        self._deadline = time.monotonic() + _SIZING_SECONDS

    def sum_free(self, group: DuplicateGroup[Any]) -> int | None:
        """Return the bytes of all files of a group but the largest; ``None`` if unknown."""
        if time.monotonic() > self._deadline:
            return None
        sizes = []
        for member in group.members:
            try:
                sizes.append(int(getattr(member.row, member.field).size))
            except (OSError, SuspiciousOperation, ValueError):
                return None
            except Exception as error:  # a storage may raise anything
                if is_interruption(error):
                    raise
                return None
        return sum(sizes) - max(sizes)


def _delete_groups(using: str, **conditions: Any) -> None:
    ReviewGroup.objects.using(using).filter(**conditions).delete()


def _insert_new(search: ReviewSearch, built: list[_Built]) -> None:
    """Insert groups that nobody has decided to keep.

    Their numbers follow the highest one, because a group keeps its number while it is there.
    """
    using = search._state.db
    assert using is not None
    every = ReviewGroup.objects.using(using).filter(search=search)
    last: int = every.aggregate(last=Max("number"))["last"] or 0
    kept = _KeptGroups(search)
    opened = [one for one in built if not kept.contain(one)]
    for number, (group, _members) in enumerate(opened, last + 1):
        group.number = number
    _insert(using, opened)


def _insert(using: str, built: list[_Built]) -> None:
    groups = ReviewGroup.objects.using(using)
    for some in batched(built, _TOGETHER):
        groups.bulk_create([group for group, _ in some])
        # Not every database returns the keys of many rows.
        if not connections[using].features.can_return_rows_from_bulk_insert:
            opened = groups.filter(search=some[0][0].search, state=_State.OPEN)
            digests = [group.digest for group, _ in some]
            ids = dict(opened.filter(digest__in=digests).values_list("digest", "pk"))
            for group, _ in some:
                group.pk = ids[group.digest]
        rows = []
        for group, members in some:
            for member in members:
                member.group_id = group.pk
            rows += members
        ReviewMember.objects.using(using).bulk_create(rows, batch_size=_TOGETHER)
