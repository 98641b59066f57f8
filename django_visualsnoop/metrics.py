"""Gauges for Prometheus, OpenTelemetry and similar systems.

Their values come from the database, so every process reports the same ones, and one exporting
process is enough. For events within a process, see ``signals``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from django.db.models import Case, CharField, Count, Min, Value, When
from django.utils import timezone

from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

RECORDS = "visualsnoop_records"
FAILING = "visualsnoop_failing_records"
PENDING_AGE = "visualsnoop_oldest_pending_age_seconds"
LATE = "visualsnoop_late_seconds"

#: Help text of each gauge. All gauges have the labels ``database``, ``collection``, ``model`` and
#: ``field``; parentheses name further labels.
HELP = {
    RECORDS: "Images by sync state (state: in_sync, waiting, retrying, failed).",
    FAILING: "Images whose last attempt failed (reason: a code).",
    PENDING_AGE: "Seconds since the oldest pending sync was requested; 0 if none is pending.",
    LATE: "Seconds since the oldest due record was due; 0 if none is due.",
}

_State = SyncRecord.State
_Field = tuple[str, str, str]


class Sample(NamedTuple):
    """One value of a gauge."""

    name: str
    labels: dict[str, str]
    value: float


def samples(using: str = "default") -> Iterator[Sample]:
    """Yield the values of every gauge in ``HELP``; one query, which scans the table.

    Every indexed field has values, even if it has no records.

    Args:
        using: alias of the database that stores rows and records.

    Raises:
        django.db.Error: the database does not answer, or lacks the table.
    """
    now = timezone.now()
    fields: dict[_Field, _FieldCounts] = {
        (field.collection, field.label, field.name): _FieldCounts()
        for field in all_indexed_fields()
    }
    for collection, model, field, state, reason, count, requested_at, due_at in _groups(using):
        tally = fields.setdefault((collection, model, field), _FieldCounts())
        tally.states[state] += count
        if state in (_State.FAILED, _State.RETRYING):
            tally.reasons[reason] += count
        if state in (_State.WAITING, _State.RETRYING):
            tally.pending_age = max(tally.pending_age, _seconds(requested_at, now))
            tally.late = max(tally.late, _seconds(due_at, now))
    for key, tally in fields.items():
        labels = {
            "database": using,
            **dict(zip(("collection", "model", "field"), key, strict=True)),
        }
        for state in _State.values:
            yield Sample(RECORDS, {**labels, "state": state}, float(tally.states[state]))
        for reason, count in tally.reasons.items():
            yield Sample(FAILING, {**labels, "reason": reason}, float(count))
        yield Sample(PENDING_AGE, labels, tally.pending_age)
        yield Sample(LATE, labels, tally.late)


class _FieldCounts:
    """The counts of one field in one collection."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.pending_age = self.late = 0.0


def _groups(using: str) -> Iterator[tuple[str, str, str, str, str, int, datetime, datetime]]:
    states = Case(
        *(When(SyncRecord.in_state(state), then=Value(state.value)) for state in _State),
        output_field=CharField(),
    )
    by = ("collection", "model", "field", "state_now", "reason_code")
    return iter(
        SyncRecord.objects.using(using)
        .annotate(state_now=states)
        .order_by()
        .values_list(*by)
        .annotate(count=Count("pk"), requested=Min("requested_at"), due=Min("due_at"))
    )


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
