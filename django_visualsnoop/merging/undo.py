"""Undo a merge: the removed rows come back, and what moved to the kept row returns to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.durations import to_local_time
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.common.transactions import atomic_write, retry_when_locked
from django_visualsnoop.exceptions import UndoError
from django_visualsnoop.merging.record import Resolution
from django_visualsnoop.merging.relations import every_row, rows_to_update
from django_visualsnoop.merging.snapshot import Change, Snapshot, file_names, model_of
from django_visualsnoop.merging.values import dump_value, load_key, load_row, load_value
from django_visualsnoop.signals import rows_restored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

#: Rows per statement: below the parameter limit of every database.
BATCH = 500


@dataclass
class RestoreReport:
    """What ``undo()`` has done."""

    #: The rows that were removed and exist again.
    restored: list[Any] = field(default_factory=list)
    #: How many related rows, links and fields are as they were again.
    taken_back: int = 0
    #: What has changed since the merge and so was left alone, in words.
    left_alone: list[str] = field(default_factory=list)
    #: Names of files of restored rows that the storage no longer has.
    missing_files: list[str] = field(default_factory=list)


def undo(resolution: Resolution, *, user: Any = None) -> RestoreReport:
    """Restore the rows that a merge removed, with their primary keys; or do nothing.

    Related rows return to the restored rows if they still refer to the kept row. Filled fields are
    emptied if they still have the filled value. Rows are saved as fixtures are: ``save()`` is not
    called, signals get ``raw=True``, and the pictures return to their collections.

    Args:
        resolution: the merge; it is read again.
        user: who undoes it; passed to the signal.

    Raises:
        UndoError: it is too late, the merge has been undone, a key or a unique value has been
            taken meanwhile, or the project's models have changed.
    """
    using = resolution._state.db
    assert using is not None

    def attempt() -> RestoreReport:
        with atomic_write(Resolution, using=using), transaction.atomic(using=using):
            return _undo(resolution, user, using)

    return retry_when_locked(attempt, using=using)


def _undo(resolution: Resolution, user: Any, using: str) -> RestoreReport:
    mine = Resolution.objects.using(using).filter(pk=resolution.pk)
    lock_rows(mine)
    current = mine.first()
    if current is None or (current.restored_at is None and not current.can_be_undone):
        text = _("“%(merge)s” could be undone until %(time)s only.")
        raise UndoError(text % {"merge": resolution, "time": _format(resolution.expires_at)})
    if current.restored_at is not None:
        text = _("“%(merge)s” was undone at %(time)s.")
        raise UndoError(text % {"merge": resolution, "time": _format(current.restored_at)})
    report = RestoreReport()
    try:
        model = model_of(current.model)
        snapshot = Snapshot.from_text(current.snapshot)
        removed = set(current.removed_keys())
        _empty_filled(snapshot.filled, report, using)
        _restore(snapshot, model, removed, report, using)
        for change in snapshot.changes:
            _take_back(change, report, using)
    except LookupError as error:
        text = _("“%(merge)s” cannot be undone: the project's models have changed (%(error)s).")
        raise UndoError(text % {"merge": resolution, "error": error}) from error
    report.restored = list(every_row(model, using).filter(pk__in=removed))
    report.missing_files = _missing_files(snapshot)
    current.restored_at, current.snapshot = timezone.now(), ""
    current.save(using=using, update_fields=["restored_at", "snapshot"])
    resolution.restored_at, resolution.snapshot = current.restored_at, ""
    rows_restored.send(
        sender=model, restored=report.restored, user=user, using=using, resolution=current
    )
    return report


def _empty_filled(filled: list[Change], report: RestoreReport, using: str) -> None:
    """Empty the filled fields of the kept row, first: a restored row may need a unique value."""
    if not filled:
        return
    model = model_of(filled[0].model)
    kept = every_row(model, using).filter(pk=load_key(model, filled[0].keys[0])).first()
    names = []
    for change in filled:
        one = _field_of(change)
        value = None if kept is None else dump_value(one, getattr(kept, one.attname))
        if kept is None or value != change.new:
            report.left_alone.append(_words(change, 1))
            continue
        setattr(kept, one.attname, load_value(one, change.old))
        names.append(one.name)
    if kept is not None and names:
        kept.save(using=using, update_fields=names)
        report.taken_back += len(names)


def _restore(
    snapshot: Snapshot,
    model: type[models.Model],
    removed: set[Any],
    report: RestoreReport,
    using: str,
) -> None:
    """Insert the gone rows; leave out those that need a row that has been deleted since."""
    rows = {
        model_of(label): {row.pk: row for row in (load_row(model_of(label), one) for one in found)}
        for label, found in snapshot.rows.items()
    }
    for table, found in rows.items():
        taken = [
            row.pk
            for keys in batched(found, BATCH)
            for row in every_row(table, using).filter(pk__in=keys)
        ]
        if taken:
            text = _(
                "%(row)s cannot be restored, because there is a new row with this key. Delete it "
                "or give it another key first."
            )
            raise UndoError(text % {"row": f"{table._meta.label} {taken[0]}"})
    while lost := _rows_without_target(rows, using):
        for table, key, target in lost:
            if table is model and key in removed:
                text = _(
                    "%(row)s cannot be restored, because it refers to %(target)s, which no longer "
                    "exists."
                )
                raise UndoError(text % {"row": f"{table._meta.label} {key}", "target": target})
            del rows[table][key]
            text = _("%(row)s: %(target)s no longer exists")
            report.left_alone.append(text % {"row": f"{table._meta.label} {key}", "target": target})
    # Rows may refer to each other. All that they refer to is locked, or restored, too.
    with connections[using].constraint_checks_disabled():
        for table, found in rows.items():
            for row in found.values():
                _insert(table, row, using)
                report.taken_back += table is not model


def _insert(table: type[models.Model], row: models.Model, using: str) -> None:
    try:
        with transaction.atomic(using=using):
            row.save_base(raw=True, force_insert=True, using=using)
    except IntegrityError as error:
        text = _(
            "%(row)s cannot be restored, because another row has one of its unique values now: "
            "%(error)s"
        )
        values = {"row": f"{table._meta.label} {row.pk}", "error": error}
        raise UndoError(text % values) from error


def _rows_without_target(
    rows: dict[type[models.Model], dict[Any, models.Model]], using: str
) -> list[tuple[type[models.Model], Any, str]]:
    """Return the rows with a foreign key to a row that neither exists nor is restored."""
    lost = []
    for table, found in rows.items():
        columns: Sequence[Any] = table._meta.local_concrete_fields
        for one in columns:
            if not one.remote_field or not one.db_constraint:
                continue
            (target,) = one.foreign_related_fields
            values = {getattr(row, one.attname) for row in found.values()} - {None}
            restored = rows.get(target.model, {}).values()
            values -= {getattr(row, target.attname) for row in restored}
            for some in batched(values, BATCH):
                there = every_row(target.model, using).filter(**{f"{target.attname}__in": some})
                values = values.difference(lock_rows(there, target.attname))
            lost += [
                (table, key, f"{target.model._meta.label} {getattr(row, one.attname)}")
                for key, row in found.items()
                if getattr(row, one.attname) in values
            ]
    return list({(table, key): (table, key, target) for table, key, target in lost}.values())


def _take_back(change: Change, report: RestoreReport, using: str) -> None:
    """Let rows have the value of before, where they still have that of the merge."""
    model, one = model_of(change.model), _field_of(change)
    old, new = load_value(one, change.old), load_value(one, change.new)
    current = {one.attname: new} if new is not None else {f"{one.attname}__isnull": True}
    count = 0
    try:
        with transaction.atomic(using=using):
            for keys in batched(change.keys, BATCH):
                named = [load_key(model, key) for key in keys]
                rows = rows_to_update(model, using).filter(pk__in=named, **current)
                count += rows.update(**{one.attname: old})
    except IntegrityError:
        count = 0
    report.taken_back += count
    if count < len(change.keys):
        report.left_alone.append(_words(change, len(change.keys) - count))


def _format(moment: datetime) -> str:
    return f"{to_local_time(moment):%Y-%m-%d %H:%M}"


def _field_of(change: Change) -> Any:
    """Return the field of a change.

    Raises:
        LookupError: the model no longer has it.
    """
    model = model_of(change.model)
    for one in model._meta.concrete_fields:
        if one.attname == change.attname:
            return one
    raise LookupError(f"{model._meta.label} has no field {change.attname!r}")


def _words(change: Change, count: int) -> str:
    return f"{model_of(change.model)._meta.label}.{change.attname}: {count}"


def _missing_files(snapshot: Snapshot) -> list[str]:
    return [name for one, name in file_names(snapshot) if not _exists(one.storage, name)]


def _exists(storage: Any, name: str) -> bool:
    try:
        return bool(storage.exists(name))
    except Exception as error:  # a storage may raise anything; nobody knows then
        if is_interruption(error):
            raise
        return True
