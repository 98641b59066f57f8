"""The changelist's column with the sync state of each row's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_visualsnoop.common.reasons import translate_reason
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db import models
    from django.utils.safestring import SafeString

    from django_visualsnoop.indexed.options import IndexedField

#: Shown characters of a reason; the title contains all of it.
REASON_LENGTH = 80

#: What editors read; operators see the records' own labels.
_LABELS = {
    SyncRecord.State.IN_SYNC: gettext_lazy("in search"),
    SyncRecord.State.WAITING: gettext_lazy("waiting"),
    SyncRecord.State.RETRYING: gettext_lazy("waiting"),
    SyncRecord.State.FAILED: gettext_lazy("failed"),
}

_LOADED = "_visualsnoop_records"


def load(rows: Iterable[models.Model]) -> None:
    """Attach the sync records to the rows, with one query."""
    rows = list(rows)
    if not rows:
        return
    ids = {_record_id(field, row) for row in rows for field in indexed_fields(type(row))}
    records = SyncRecord.objects.using(rows[0]._state.db).in_bulk(ids)
    for row in rows:
        setattr(row, _LOADED, records)


def state_of(row: models.Model) -> SafeString:
    """Return the state of each of the row's image fields, as HTML."""
    if not hasattr(row, _LOADED):
        load([row])
    records: dict[UUID, SyncRecord] = getattr(row, _LOADED)
    fields = indexed_fields(type(row))
    return format_html_join(
        "",
        '<div class="visualsnoop-state">{}{}</div>',
        (
            (
                format_html("{}: ", capfirst(_verbose_name(field))) if len(fields) > 1 else "",
                _with_reason(records.get(_record_id(field, row))),
            )
            for field in fields
        ),
    )


def state_html(record: SyncRecord | None, label: str = "") -> SafeString:
    """Return the state of a record as an icon and a label, by default one for editors."""
    if record is None or (record.state == record.State.IN_SYNC and not record.wanted):
        state, label = "none", _("not in search")
    else:
        state, label = record.state.value, label or str(_LABELS[record.state])
    return format_html(
        '<span class="visualsnoop-icon visualsnoop-{}" aria-hidden="true"></span>{}', state, label
    )


def reason_html(record: SyncRecord) -> SafeString:
    """Return the translated, shortened reason of the last failure, with all of it as title."""
    return format_html(
        '<span class="visualsnoop-reason" title="{}">{}</span>',
        record.reason,
        Truncator(translate_reason(record.reason_code, record.reason)).chars(REASON_LENGTH),
    )


def _with_reason(record: SyncRecord | None) -> SafeString:
    state = state_html(record)
    return state + reason_html(record) if record is not None and record.reason else state


def _verbose_name(field: IndexedField) -> Any:
    return field.owner._meta.get_field(field.name).verbose_name  # type: ignore[union-attr]


def _record_id(field: IndexedField, row: models.Model) -> UUID:
    return field.record_id(field.object_id(row))
