"""Find rows that have a picture but no sync record.

Such rows were written before the app was installed, or while syncing was paused. Reading every row
of a large table would take minutes, so this reads the rows with the lowest and the highest keys,
and more only if a field has no records at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connections, router

from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.indexed.rows import by_keys, with_picture
from django_visualsnoop.outbox.record import SyncRecord, records_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_visualsnoop.indexed.options import IndexedField

#: Rows read from each end of a table.
SAMPLE = 500
#: Highest count.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """How many rows of one field have a picture but no sync record."""

    field: IndexedField
    count: int
    #: Whether there may be more.
    more: bool = False

    @property
    def words(self) -> str:
        """The count as text, such as ``"12"`` or ``"1,000 or more"``."""
        return f"{self.count:,}{' or more' if self.more else ''}"


def command(found: Iterable[Unrecorded], using: str) -> str:
    """Return the command that indexes these rows."""
    labels = " ".join(sorted({one.field.owner._meta.label for one in found}))
    return f"python manage.py visualsnoop_reindex {labels} --missing --database {using}"


def unrecorded(using: str, fields: Iterable[IndexedField] | None = None) -> list[Unrecorded]:
    """Return the fields whose tables have rows with a picture but no record.

    This executes two or three short queries per field, whatever the number of rows, and two more
    if it finds something. It does not find rows in the middle of a table that has records; the
    audit does.

    Args:
        using: alias of the database that stores rows and records.
        fields: the fields to check; every indexed field if ``None``.

    Raises:
        django.db.Error: the database does not answer.
    """
    tables = {name.casefold() for name in connections[using].introspection.table_names()}
    found = (
        _of(field, using)
        for field in sorted(all_indexed_fields() if fields is None else fields, key=str)
        if router.allow_migrate_model(using, field.owner)
        and field.owner._meta.db_table.casefold() in tables
    )
    return [one for one in found if one.count]


def _of(field: IndexedField, using: str) -> Unrecorded:
    if not records_of(field, using).exists():
        count = with_picture(field, using).order_by()[:MOST].count()
        return Unrecorded(field, count, more=count == MOST)
    rows = field.owner._base_manager.using(using).order_by().values_list("pk", field.name)
    ends = dict([*rows.order_by("pk")[:SAMPLE], *rows.order_by("-pk")[:SAMPLE]])
    missing = _without_record(field, [key for key, name in ends.items() if name], using)
    if missing:
        # A row and its record may have been deleted since the row was read.
        there = by_keys(field, missing, using=using)
        missing = [key for key in missing if key in there and there[key].name]
    return Unrecorded(field, len(missing), more=len(ends) >= 2 * SAMPLE)


def _without_record(field: IndexedField, keys: list[Any], using: str) -> list[Any]:
    ids = {field.record_id(field.key_text(key)): key for key in keys}
    known = SyncRecord.objects.using(using).filter(pk__in=list(ids))
    recorded = set(known.values_list("pk", flat=True))
    return [key for record_id, key in ids.items() if record_id not in recorded]
