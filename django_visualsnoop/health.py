"""Health of the sync between models and collections, for probes.

``health()`` queries only the database, and calls neither a collection nor the broker. An index and
``SAMPLE`` bound every query, whatever the number of records. Only for a field without records, a
query may scan its table up to the first pictures.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.db import Error, connections
from django.utils import timezone

from django_visualsnoop.common.durations import duration
from django_visualsnoop.outbox.pending_migrations import APP_LABEL, unapplied
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.retry import NOT_THE_PICTURES
from django_visualsnoop.outbox.sweeps import last_sweep
from django_visualsnoop.sync.unrecorded import command, unrecorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

#: How long a record may be due before that is a problem, in seconds.
MAX_DELAY = 600.0
#: How many times in a row a record must have failed before that is a problem.
MIN_ATTEMPTS = 3
#: Number of records read of those that are due, and of those that will be due. If there are more,
#: counts are lower bounds.
SAMPLE = 500
#: Longest reason quoted, in characters.
MAX_QUOTE = 200

DATABASE = "database"
MIGRATIONS = "migrations"
OVERDUE = "overdue"
STUCK = "stuck"
FAILED = "failed"
UNRECORDED = "unrecorded"
#: Every code that a problem may have.
CODES = (DATABASE, MIGRATIONS, OVERDUE, STUCK, FAILED, UNRECORDED, *NOT_THE_PICTURES)

#: Codes that mean slow, not broken: a problem only if the request is older than ``max_delay``.
_PATIENT = ("rate_limited",)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that keeps models and collections from being in sync. It contains no secrets."""

    #: One of ``CODES``.
    code: str
    #: The problem, with its value and limit; may name an image and quote a failure reason.
    message: str
    #: What to check and what to type.
    hint: str
    #: Number of records or migrations, at least; ``None`` if nothing is counted.
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The problems of one database with indexed models."""

    using: str
    problems: tuple[Problem, ...] = ()
    #: Seconds since the oldest due record was due; 0 if none is due, ``None`` if the database did
    #: not answer.
    late: float | None = None
    #: When the sweeper last started; ``None`` if it never did, or if the database did not answer.
    #: That is no problem while all records are in sync, because there is nothing to sweep.
    swept_at: datetime | None = None

    @property
    def ok(self) -> bool:
        return not self.problems


def health(
    using: str = "default",
    *,
    max_delay: float = MAX_DELAY,
    min_attempts: int = MIN_ATTEMPTS,
    max_failed: int | None = None,
) -> Health:
    """Return the problems of a database; a few short queries, plus up to three per field.

    A database that does not answer, or has no tables, is reported as a problem, not raised.

    Args:
        using: alias of the database that stores rows and records.
        max_delay: how many seconds a record may be due before that is a problem. A value below
            the duration of a worker's lease (a few minutes) causes false alarms.
        min_attempts: how many times in a row a record must have failed before that is a problem,
            for reasons that its picture does not cause.
        max_failed: how many records may have failed permanently, for example because their files
            are not pictures; any number if ``None``. Counting them scans the table.

    Raises:
        django.utils.connection.ConnectionDoesNotExist: the alias does not exist.
    """
    connections[using]  # raise for an unknown alias, which is the caller's mistake
    try:
        if missing := unapplied(using):
            return Health(using, (_unmigrated(using, missing),))
        now = timezone.now()
        looked_at = _RecordSample(using, now)
        run = last_sweep(using)
        swept_at = None if run is None else run.started_at
        problems = [
            *looked_at.overdue(max_delay, swept_at),
            *looked_at.stuck(min_attempts, max_delay),
            *looked_at.failing(min_attempts, max_delay),
            *([] if max_failed is None else _failed(using, max_failed)),
            *_unrecorded(using),
        ]
        return Health(using, tuple(problems), looked_at.late, swept_at)
    except Error as error:
        return Health(using, (_refused(using, error),))


class _Due(NamedTuple):
    """The columns read of a pending record."""

    pk: UUID
    collection: str
    image_id: str
    due_at: datetime
    requested_at: datetime
    attempts: int
    reason_code: str


class _RecordSample:
    """The records that have been due the longest, and those that will be due the latest.

    Nobody processes the former. The latter have failed most often, because the delay between
    attempts doubles.
    """

    def __init__(self, using: str, now: datetime) -> None:
        self.using, self.now = using, now
        records = SyncRecord.objects.using(using)
        self._due = _fetch(records.filter(due_at__lte=now).order_by("due_at"))
        self._later = _fetch(records.filter(due_at__gt=now).order_by("-due_at"))

    @property
    def _is_cut(self) -> bool:
        return SAMPLE in (len(self._due), len(self._later))

    @property
    def late(self) -> float:
        return (self.now - self._due[0].due_at).total_seconds() if self._due else 0.0

    def overdue(self, max_delay: float, swept_at: datetime | None) -> Iterator[Problem]:
        limit = self.now - timedelta(seconds=max_delay)
        count = sum(record.due_at < limit for record in self._due)
        if not count:
            return
        entry = {"task": "django_visualsnoop.sync_all", "schedule": 60.0}
        if self.using != "default":
            entry["args"] = (self.using,)
        yield Problem(
            OVERDUE,
            f"{_records(count, 'has', 'have', more=count == SAMPLE)} been due for more than "
            f"{duration(max_delay)}, the oldest for {duration(self.late)}. The workers and the "
            "sweeper are not running or cannot keep up. "
            f"{sweep_words(self.using, swept_at, self.now)}",
            "Check that the workers respond (celery -A PROJECT inspect ping), and that Celery beat "
            f"or cron runs the sweeper. Celery beat needs {entry} in CELERY_BEAT_SCHEDULE. To "
            "process the records now, type: "
            f"python manage.py visualsnoop_sync --database {self.using}",
            count,
        )

    def stuck(self, min_attempts: int, max_delay: float) -> Iterator[Problem]:
        """Find records that workers keep starting without ever writing an outcome."""
        limit = self.now - timedelta(seconds=max_delay)
        found = [
            record
            for record in (*self._due, *self._later)
            if not record.reason_code
            and record.attempts >= min_attempts
            and record.requested_at < limit
        ]
        if not found:
            return
        example = min(found, key=lambda one: one.requested_at)
        waits = (self.now - example.requested_at).total_seconds()
        yield Problem(
            STUCK,
            f"{_records(len(found), 'was', 'were', more=self._is_cut)} started at least "
            f"{min_attempts} times but never finished. Example: {example.image_id}, requested "
            f"{duration(waits)} ago.",
            "Workers raise an error or die while they process these records. Check the log of the "
            "workers. To see the error here, type: "
            f"python manage.py visualsnoop_sync --database {self.using}",
            len(found),
        )

    def failing(self, min_attempts: int, max_delay: float) -> Iterator[Problem]:
        patience = self.now - timedelta(seconds=max_delay)
        by_code: dict[str, list[_Due]] = defaultdict(list)
        for record in (*self._due, *self._later):
            code = record.reason_code
            patient = code in _PATIENT and record.requested_at >= patience
            if code in NOT_THE_PICTURES and record.attempts >= min_attempts and not patient:
                by_code[code].append(record)
        examples = {
            code: min(found, key=lambda one: one.requested_at) for code, found in by_code.items()
        }
        reasons = self._reasons([example.pk for example in examples.values()])
        for code in sorted(by_code, key=NOT_THE_PICTURES.index):
            found, example = by_code[code], examples[code]
            aliases = sorted({record.collection for record in found})
            waits = (self.now - example.requested_at).total_seconds()
            yield Problem(
                code,
                f"{_records(len(found), 'has', 'have', more=self._is_cut)} failed at least "
                f"{min_attempts} times in a row ({code}) in {', '.join(map(repr, aliases))}. "
                f"Example: {example.image_id}, requested {duration(max(0.0, waits))} ago: "
                f"{reasons.get(example.pk, '')}",
                f"{_HINTS[code]} The records will be retried within an hour. To retry them now, "
                "type: "
                f"python manage.py visualsnoop_sync --retry-failed --database {self.using}",
                len(found),
            )

    def _reasons(self, ids: list[UUID]) -> dict[UUID, str]:
        if not ids:
            return {}
        found = SyncRecord.objects.using(self.using).filter(pk__in=ids)
        return {pk: reason[:MAX_QUOTE] for pk, reason in found.values_list("pk", "reason")}


_HINTS = {
    "authentication": "Check PUBLIC_KEY and SECRET_KEY of these collections in VISUALSNOOP.",
    "rate_limited": "The service accepts fewer requests than the workers send. Use fewer workers, "
    "or ask the operator of the service for a higher limit.",
    "unreachable": "Check that the service at ENDPOINT is running and that the workers can reach "
    "it.",
    "server_error": "The service responds with errors. Contact its operator.",
    "misconfigured": "Correct what the reason names, in the code and settings of the workers: they "
    "may be older than those of the web server.",
    "out_of_time": "The time limit of the task django_visualsnoop.sync_records is too short for "
    "these images. Raise it, or find out why reading or sending them takes so long.",
    "error": "The storage, the collection's backend or the project's code raised an error. Check "
    "the log of the workers.",
}


def sweep_words(using: str, swept_at: datetime | None, now: datetime) -> str:
    """Return a sentence that tells when the sweeper last started."""
    if swept_at is None:
        return f"The sweeper has never run for the database {using!r}."
    return f"The last sweep started {duration(max(0.0, (now - swept_at).total_seconds()))} ago."


def _fetch(records: QuerySet[SyncRecord]) -> list[_Due]:
    return [_Due(*row) for row in records.values_list(*_Due._fields)[:SAMPLE]]


def _records(count: int, one: str, many: str, *, more: bool) -> str:
    if count == 1 and not more:
        return f"1 record {one}"
    return f"{count:,}{' or more' if more else ''} records {many}"


def _failed(using: str, max_failed: int) -> Iterator[Problem]:
    failed = SyncRecord.in_state(SyncRecord.State.FAILED)
    count = SyncRecord.objects.using(using).filter(failed)[: max_failed + 1].count()
    if count > max_failed:
        yield Problem(
            FAILED,
            f"More than {max_failed:,} records have failed permanently because of their pictures "
            "or files.",
            "To see the reasons, type: "
            f"python manage.py visualsnoop_status --failed --database {using}",
            count,
        )


def _unrecorded(using: str) -> Iterator[Problem]:
    found = unrecorded(using)
    if not found:
        return
    fields = ", ".join(f"{one.words} of {one.field}" for one in found)
    yield Problem(
        UNRECORDED,
        f"Rows have pictures that were never indexed, so searches do not find them: {fields}.",
        f"Type: {command(found, using)}",
        sum(one.count for one in found),
    )


def _unmigrated(using: str, missing: list[str]) -> Problem:
    labels = sorted({name.partition(".")[0] for name in missing})
    return Problem(
        MIGRATIONS,
        f"The database {using!r} has unapplied migrations: {', '.join(missing)}. Apply them to "
        "check for other problems.",
        "Type: "
        + " && ".join(f"python manage.py migrate {label} --database {using}" for label in labels),
        len(missing),
    )


def _refused(using: str, error: Error) -> Problem:
    """Return the problem of a database that raised an error.

    It does not quote the error, which may contain a connection string with a password.
    """
    connection = connections[using]
    table = SyncRecord._meta.db_table
    try:
        # Without a connection, do not wait for one a second time.
        gone = connection.connection is not None and (
            table not in connection.introspection.table_names()
        )
    except Error:
        gone = False
    if not connection.in_atomic_block:  # the caller owns the connection in a transaction
        connection.close_if_unusable_or_obsolete()  # so that the next probe opens a new one
    if gone:
        return Problem(
            MIGRATIONS,
            f"The database {using!r} has no table {table}.",
            f"Type: python manage.py migrate {APP_LABEL} --database {using}",
        )
    return Problem(
        DATABASE,
        f"The database {using!r} does not answer ({type(error).__name__}).",
        f"To see the error, type: python manage.py dbshell --database {using}",
    )
