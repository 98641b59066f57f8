"""Merge rows: related rows move to the row that is kept, and the others are removed."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, router, transaction
from django.db.models.deletion import ProtectedError, RestrictedError
from django.utils import timezone

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.common.transactions import atomic_write, retry_when_locked
from django_visualsnoop.exceptions import MergeConflict, MergeError
from django_visualsnoop.merging.cascade import Cascade
from django_visualsnoop.merging.files import keep_files
from django_visualsnoop.merging.plan import MergePlan, RelatedRows, check_rows, plan_merge
from django_visualsnoop.merging.record import Resolution
from django_visualsnoop.merging.relations import every_row, rows_to_update
from django_visualsnoop.merging.snapshot import Before, Change, Snapshot
from django_visualsnoop.merging.values import dump_key, dump_keys, dump_value
from django_visualsnoop.signals import rows_merged

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from django_visualsnoop.merging.movements import Movement

    Remove = Callable[[list[Any]], object]

#: For how long a merge can be undone, if not given.
UNDO_FOR = timedelta(days=30)
MAX_LABEL = 255
#: Rows per statement: below the parameter limit of every database.
BATCH = 500


@dataclass(frozen=True)
class MergeResult:
    """What ``merge_rows()`` has done."""

    #: The kept row as it is now.
    kept: Any
    #: The removed rows as they were, with their primary keys.
    removed: list[Any]
    plan: MergePlan
    #: ``None`` if the merge cannot be undone.
    resolution: Resolution | None


def merge_rows(
    kept: models.Model | None,
    others: Iterable[models.Model],
    *,
    using: str | None = None,
    fill: Collection[str] = (),
    delete_conflicting: bool = False,
    remove: Remove | None = None,
    user: Any = None,
    undo_for: timedelta | None = UNDO_FOR,
    delete_files: bool = False,
    label: str = "",
) -> MergeResult:
    """Let all that refers to ``others`` refer to ``kept``, and delete ``others``; or do nothing.

    One transaction locks the rows and does all of it. The related rows are changed by
    ``QuerySet.update()``, so Django sends no signals for them; ``rows_merged`` is sent at the end,
    inside the transaction.

    Args:
        kept: the row to keep; ``None`` to only delete the others. The rows are read again, so
            unsaved changes of the instances are ignored.
        others: the rows to remove, of the same model.
        using: alias of the database; that of the rows if not given.
        fill: names of empty fields of ``kept`` to fill from the others; see
            ``MergePlan.fillable``.
        delete_conflicting: whether to go on if related rows cannot move because of a unique
            constraint. They then stay with the removed row, and go with it as their
            ``on_delete`` says.
        remove: called with the list of rows to remove, inside the transaction, instead of deleting
            them; it may hide or archive them. After a lock error it may be called again.
        user: who merges; passed to the signal, and recorded by name.
        undo_for: for how long to keep what an undo needs; ``None``: not at all.
        delete_files: whether the sweeper deletes the files of the removed rows once ``undo_for``
            is over. Django itself keeps them.
        label: a text about the merge for people, at most 255 characters.

    Raises:
        MergeConflict: related rows cannot move, and ``delete_conflicting`` is false.
        MergeError: a row no longer exists, the rows are not of one model, protected rows refer to
            a row to delete, a field cannot be filled, or the label is too long.
    """
    others = list(others)
    model = check_rows(kept, others)
    if len(label) > MAX_LABEL:
        raise MergeError(f"A label has at most {MAX_LABEL} characters, but this has {len(label)}.")
    using = using or router.db_for_write(model, instance=kept or others[0])
    merge = partial(
        _merge,
        model,
        kept.pk if kept is not None else None,
        [row.pk for row in others],
        using,
        fill=fill,
        delete_conflicting=delete_conflicting,
        remove=remove or delete_rows,
        user=user,
        undo_for=undo_for,
        delete_files=delete_files,
        label=label,
    )

    def attempt() -> MergeResult:
        # A savepoint, so that a caller who catches the error commits no half of a merge.
        with atomic_write(model, using=using), transaction.atomic(using=using):
            return merge()

    return retry_when_locked(attempt, using=using)


def delete_rows(rows: Sequence[models.Model]) -> None:
    """Delete rows of one model, by their own ``delete()`` if the model has one.

    Deleting all at once sends the signals of each row once, also if the rows refer to each other.
    """
    model = type(rows[0])
    if model.delete is not models.Model.delete:
        for row in rows:
            row.delete()
        return
    using = rows[0]._state.db
    assert using is not None
    every_row(model, using).filter(pk__in=[row.pk for row in rows]).delete()


def _merge(
    model: type[models.Model],
    kept_key: Any,
    other_keys: list[Any],
    using: str,
    *,
    fill: Collection[str],
    delete_conflicting: bool,
    remove: Remove,
    user: Any,
    undo_for: timedelta | None,
    delete_files: bool,
    label: str,
) -> MergeResult:
    keys = [*other_keys, *([kept_key] if kept_key is not None else [])]
    rows = _lock(model, keys, using)
    kept = rows.pop() if kept_key is not None else None
    plan = plan_merge(kept, rows, using=using, fill=fill)
    if plan.conflicts and not delete_conflicting:
        raise _conflict(plan.conflicts)
    removed = [copy.copy(row) for row in rows]
    snapshot = Snapshot()
    _delete_repeated(plan, snapshot)
    failed = [one for movement in plan.movements for one in _move(movement, snapshot, using)]
    if failed and not delete_conflicting:
        raise _conflict(failed)
    recorded = undo_for is not None or delete_files
    before = _look_before(model, rows, using) if recorded else None
    # A file may also have become the kept row's own.
    with keep_files(using) if recorded or plan.fill else nullcontext():
        _remove(remove, rows)
    if kept is not None and plan.fill:
        _fill(kept, plan, snapshot)
    resolution = None
    if before is not None:
        snapshot.add_differences(before)
        resolution = Resolution.objects.using(using).create(
            model=model._meta.label_lower,
            label=label,
            user="" if user is None else user.get_username(),
            expires_at=timezone.now() + (undo_for or timedelta()),
            kept="" if kept is None else json.dumps(dump_key(model, kept.pk)),
            removed=json.dumps(dump_keys(model, other_keys)),
            snapshot=snapshot.to_text(),
            delete_files=delete_files,
        )
    rows_merged.send(
        sender=model, kept=kept, removed=removed, user=user, using=using, resolution=resolution
    )
    return MergeResult(kept, removed, plan, resolution)


def _lock(model: type[models.Model], keys: list[Any], using: str) -> list[Any]:
    """Lock rows, and return them as they are now, in the order of the keys."""
    rows = every_row(model, using).filter(pk__in=keys)
    lock_rows(rows.order_by("pk"))
    found = {row.pk: row for row in rows}
    gone = [key for key in keys if key not in found]
    if gone:
        raise MergeError(
            f"{model._meta.label} {', '.join(map(str, gone))} no longer exists: perhaps someone "
            "has just merged or deleted it. Nothing was changed; look at the group again."
        )
    return [found[key] for key in keys]


def _conflict(conflicts: Sequence[RelatedRows]) -> MergeConflict:
    return MergeConflict(
        f"Some related rows cannot move to the kept row ({', '.join(map(str, conflicts))}). "
        "Nothing was changed. Pass delete_conflicting=True to lose them, or keep another row.",
        conflicts,
    )


def _delete_repeated(plan: MergePlan, snapshot: Snapshot) -> None:
    for movement in plan.movements:
        model = movement.reference.model
        for keys in batched(movement.repeated, BATCH):
            rows = every_row(model, plan.using).filter(pk__in=keys)
            snapshot.add_gone(model, rows)
            rows.delete()


def _move(movement: Movement, snapshot: Snapshot, using: str) -> list[RelatedRows]:
    """Let rows refer to the kept row; return those that the database refused."""
    reference, field = movement.reference, movement.reference.field
    new = reference.value_in(movement.kept)
    for old, keys in movement.moving.items():
        for batch in batched(keys, BATCH):
            failed = _update(movement, old, new, batch, using)
            moved = [key for key in batch if key not in failed]
            snapshot.changes.append(_change(movement, old, new, moved))
            movement.conflicting += failed
    if movement.own is not None:
        key, old = movement.own
        value = None if field.null else new  # no row that points at itself, if that is possible
        rows_to_update(reference.model, using).filter(pk=key).update(**{field.attname: value})
        setattr(movement.kept, field.attname, value)
        snapshot.changes.append(_change(movement, old, value, [key]))
    if not movement.conflicting:
        return []
    return [RelatedRows(reference.label, reference.model, field.name, len(movement.conflicting))]


def _update(movement: Movement, old: Any, new: Any, keys: list[Any], using: str) -> list[Any]:
    """Change the column of some rows; return the keys of those that the database refused.

    It refuses what only it can tell, such as letters that its collation takes for equal.
    """
    reference = movement.reference
    column = reference.field.attname
    rows = rows_to_update(reference.model, using).filter(**{"pk__in": keys, column: old})
    try:
        with transaction.atomic(using=using):
            rows.update(**{column: new})
    except IntegrityError:
        if len(keys) == 1:
            return keys
        half = len(keys) // 2
        halves = (keys[:half], keys[half:])
        return [one for some in halves for one in _update(movement, old, new, some, using)]
    return []


def _change(movement: Movement, old: Any, new: Any, keys: list[Any]) -> Change:
    reference = movement.reference
    model, field = reference.model, reference.field
    if reference.is_key and keys:
        place = [one.attname for one in model._meta.pk_fields].index(field.attname)
        parts = [list(key) if isinstance(key, tuple) else [key] for key in keys]
        changed = [(*part[:place], new, *part[place + 1 :]) for part in parts]
        keys = [key if len(key) > 1 else key[0] for key in changed]
    return Change(
        model._meta.label_lower,
        field.attname,
        dump_value(field, old),
        dump_value(field, new),
        dump_keys(model, keys),
    )


def _look_before(model: type[models.Model], rows: Sequence[models.Model], using: str) -> Before:
    cascade = Cascade(using)
    cascade.delete(model, rows)
    return Before(cascade)


def _remove(remove: Remove, rows: list[Any]) -> None:
    try:
        remove(rows)
    except (ProtectedError, RestrictedError) as error:
        message, *_ = error.args
        raise MergeError(f"{message} Nothing was changed.") from error


def _fill(kept: models.Model, plan: MergePlan, snapshot: Snapshot) -> None:
    """Fill the empty fields, after the removal: a unique value is free only then."""
    for name in plan.fill:
        field: Any = plan.model._meta.get_field(name)
        fill = plan.fillable[name]
        change = Change(
            plan.model._meta.label_lower,
            field.attname,
            dump_value(field, getattr(kept, field.attname)),
            dump_value(field, fill.value),
            [dump_key(plan.model, kept.pk)],
        )
        snapshot.filled.append(change)
        setattr(kept, field.attname, getattr(fill.value, "name", fill.value))
    try:
        with transaction.atomic(using=plan.using):
            kept.save(using=plan.using, update_fields=plan.fill)
    except IntegrityError as error:
        raise MergeError(
            f"{', '.join(plan.fill)} of {plan.model._meta.label} cannot be filled: the database "
            f"refused the values ({error}). Nothing was changed; fill fewer fields."
        ) from error
