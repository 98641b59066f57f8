"""Decide on a group: keep, remove or set apart each of its rows; and take a decision back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from django_visualsnoop.collections import collections
from django_visualsnoop.common.transactions import begin_writing, retry_when_locked
from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.merging.merge import merge_rows
from django_visualsnoop.merging.undo import undo
from django_visualsnoop.review.record import ReviewGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from django.db.models import Model

    from django_visualsnoop.merging.undo import RestoreReport
    from django_visualsnoop.review.record import ReviewMember

_State = ReviewGroup.State


class AlreadyDecided(Exception):  # noqa: N818
    """Somebody else has decided on the group meanwhile. The text is for users."""


@dataclass(frozen=True)
class Decision:
    """What to do with the rows of a group; rows in none of these are kept as they are."""

    keep: Sequence[Model] = ()
    #: Rows to remove. What is related to them moves to the first of ``keep``.
    remove: Sequence[Model] = ()
    #: Rows that are not duplicates of any other row of the group.
    apart: Sequence[Model] = ()
    #: Names of empty fields of the first row to fill with values of removed rows.
    fill: Collection[str] = ()
    #: Whether related rows that cannot move may be deleted.
    delete_conflicting: bool = False

    @property
    def state(self) -> ReviewGroup.State:
        if self.remove:
            return _State.RESOLVED
        return _State.NOT_DUPLICATES if self.apart and len(self.keep) <= 1 else _State.KEPT


@dataclass(frozen=True)
class Removal:
    """How rows are removed; see ``merge_rows``."""

    #: Removes rows; deletes them if ``None``.
    remove: Callable[[Sequence[Model]], object] | None = None
    #: How long the removal can be undone; not at all if ``None``.
    undo_for: timedelta | None = field(default=timedelta(days=30))
    #: Whether files of deleted rows are deleted once it can no longer be undone.
    delete_files: bool = False


def decide(
    group: ReviewGroup,
    decision: Decision,
    members: Mapping[Any, ReviewMember],
    *,
    user: Any,
    removal: Removal,
) -> None:
    """Carry out a decision, in one transaction, except for marks in a collection elsewhere.

    Args:
        group: the group; it must be open.
        decision: what to do with its rows.
        members: the member of each row, by primary key.
        user: who decided.
        removal: how to remove rows.

    Raises:
        AlreadyDecided: the group is not open any more.
        MergeConflict: related rows cannot move, and may not be deleted.
        VisualSnoopError: the collection refuses to mark pictures as not duplicates.
    """
    using = group._state.db
    assert using is not None
    pairs = list(_list_pairs(decision))
    # First, because it may fail, and because marking twice is harmless.
    marked = _mark(pairs, members, using)

    def work() -> None:
        with transaction.atomic(using=using):
            begin_writing(ReviewGroup, using=using)
            _change_state(group, _State.OPEN, decision.state, user, marked)
            if decision.remove:
                merged = merge_rows(
                    decision.keep[0] if decision.keep else None,
                    decision.remove,
                    using=using,
                    fill=decision.fill,
                    delete_conflicting=decision.delete_conflicting,
                    remove=removal.remove,
                    user=user,
                    undo_for=removal.undo_for,
                    delete_files=removal.delete_files,
                )
                group.resolution = merged.resolution
                group.save(using=using, update_fields=["resolution"])

    retry_when_locked(work, using=using)


def reopen(group: ReviewGroup, *, user: Any) -> RestoreReport | None:
    """Take the decision on a group back; return what was restored, if rows were removed.

    Args:
        group: a group with a decision.
        user: who takes it back.

    Raises:
        AlreadyDecided: the group is open already.
        UndoError: the removed rows cannot be restored.
    """
    using = group._state.db
    assert using is not None
    decided = group.state
    marked = group.marked

    def work() -> RestoreReport | None:
        with transaction.atomic(using=using):
            begin_writing(ReviewGroup, using=using)
            _change_state(group, decided, _State.OPEN, user, [])
            if group.resolution is None:
                return None
            report = undo(group.resolution, user=user)
            group.resolution = None
            group.save(using=using, update_fields=["resolution"])
            return report

    report = retry_when_locked(work, using=using)
    by_alias: dict[str, list[tuple[str, str]]] = {}
    for alias, first, second in marked:
        by_alias.setdefault(alias, []).append((first, second))
    for alias, pairs in by_alias.items():
        collections[alias].unmark_not_duplicates(pairs)
    return report


def _list_pairs(decision: Decision) -> Iterable[tuple[Model, Model]]:
    """Yield the pairs of rows that are not duplicates."""
    others = [*decision.keep, *decision.remove]
    for number, row in enumerate(decision.apart):
        for other in [*others, *decision.apart[number + 1 :]]:
            yield row, other


def _mark(
    pairs: Collection[tuple[Model, Model]], members: Mapping[Any, ReviewMember], using: str
) -> list[tuple[str, str, str]]:
    """Mark pairs of rows in their collections; return each with the alias, for ``reopen``."""
    by_alias: dict[str, list[tuple[str, str]]] = {}
    for rows in pairs:
        fields = [indexed_field(type(row), members[row.pk].field) for row in rows]
        if fields[0].collection == fields[1].collection:
            first, second = (
                one.image_id(one.object_id(row), using)
                for one, row in zip(fields, rows, strict=True)
            )
            by_alias.setdefault(fields[0].collection, []).append(
                (first, second) if first < second else (second, first)
            )
    marked = []
    for alias, ids in by_alias.items():
        if collections[alias].supports_not_duplicates:
            collections[alias].mark_not_duplicates(ids, ignore_missing=True)
            marked += [(alias, *pair) for pair in ids]
    return marked


def _change_state(
    group: ReviewGroup, before: str, after: str, user: Any, marked: list[tuple[str, str, str]]
) -> None:
    """Change the state of a group, unless somebody else has changed it."""
    is_open = after == _State.OPEN
    values: dict[str, Any] = {
        "state": after,
        "decided_at": None if is_open else timezone.now(),
        "decided_by": "" if is_open else user.get_username()[:150],
        "marked": marked,
    }
    rows = ReviewGroup.objects.using(group._state.db).filter(pk=group.pk, state=before)
    if not rows.update(**values):
        raise AlreadyDecided(
            _("Somebody else has changed group %(number)d meanwhile.") % {"number": group.number}
        )
    for name, value in values.items():
        setattr(group, name, value)
