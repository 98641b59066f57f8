"""Whether models and collections are kept in step, for probes.

It answers from the database alone and asks neither a collection nor a broker. Every query is
bounded by an index and ``SAMPLE``, however many records there are and whatever is down. Only a
field that has no records may cost a walk through its table, to the first pictures in it.
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

#: How long a record may be due without anyone working on it, in seconds.
MAX_DELAY = 600.0
#: How often in a row a record must have failed to count.
MIN_ATTEMPTS = 3
#: Records looked at among those that are due, and among those that will be; of more of them,
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

#: Codes that mean slow rather than broken: a problem only of wishes older than ``max_delay``.
_PATIENT = ("rate_limited",)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps models and collections from agreeing. It holds no secret."""

    #: One of ``CODES``.
    code: str
    #: What is so, with the value and its limit; may name an image and quote a reason.
    message: str
    #: What to look at and what to type.
    hint: str
    #: Records or migrations, at least; ``None`` where nothing is counted.
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong in one database with followed models; nothing if ``ok``."""

    using: str
    problems: tuple[Problem, ...] = ()
    #: Seconds for which the record that is due the longest has been due; 0 without one,
    #: ``None`` if the database did not say.
    late: float | None = None
    #: When the sweeper last began; ``None`` if it never did, or the database did not say. In a
    #: database whose records all agree that is no problem: there was nothing to sweep.
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
    """Look whether something is down; a few short queries, and up to three for each field.

    A database that does not answer, or lacks its tables, is a problem and no exception.

    Args:
        using: alias of the database that holds rows and records.
        max_delay: seconds that a record may be due before that is a problem. Less than a
            worker's claim lasts (some minutes) gives false alarms.
        min_attempts: how often in a row a record must have failed, for a reason that is not
            its picture's own, before that is a problem.
        max_failed: how many records may have failed for good, such as by files that are no
            pictures; ``None``: any number. Asking costs a walk through the table.

    Raises:
        django.utils.connection.ConnectionDoesNotExist: there is no such alias.
    """
    connections[using]  # an unknown alias is a mistake of the caller's
    try:
        if missing := unapplied(using):
            return Health(using, (_unmigrated(using, missing),))
        now = timezone.now()
        looked_at = _Sample(using, now)
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
    """What is asked of a record that someone is to work on."""

    pk: UUID
    collection: str
    image_id: str
    due_at: datetime
    requested_at: datetime
    attempts: int
    reason_code: str


class _Sample:
    """The records that are due the longest, and those that will be due the latest.

    The former are what nobody works on; the latter have failed most often, since the waits
    between attempts double.
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
            f"{_records(count, 'is', 'are', more=count == SAMPLE)} due for longer than "
            f"{duration(max_delay)}, the first for {duration(self.late)}: the workers and the "
            f"sweeper do not run or cannot keep up. {sweep_words(self.using, swept_at, self.now)}",
            "Look whether workers answer (celery -A PROJECT inspect ping) and whether cron or "
            f"beat runs the sweeper; beat needs {entry} in CELERY_BEAT_SCHEDULE. To catch up by "
            f"hand, type: python manage.py visualsnoop_sync --database {self.using}",
            count,
        )

    def stuck(self, min_attempts: int, max_delay: float) -> Iterator[Problem]:
        """Find records that are tried again and again, and of which nothing is written down."""
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
            f"{_records(len(found), 'was', 'were', more=self._is_cut)} begun at least "
            f"{min_attempts} times and never finished, such as {example.image_id}, wished for "
            f"{duration(waits)} ago.",
            "Workers raise an error or end in the midst of them: the log of the workers says why. "
            f"To see it here, type: python manage.py visualsnoop_sync --database {self.using}",
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
                f"{min_attempts} times in a row ({code}) in {', '.join(map(repr, aliases))}, "
                f"such as {example.image_id}, wished for {duration(max(0.0, waits))} ago: "
                f"{reasons.get(example.pk, '')}",
                f"{_HINTS[code]} They are tried again within an hour; at once if you type: "
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
    "rate_limited": "The service takes fewer requests than are sent: use fewer workers, or ask "
    "whoever runs it for a higher limit.",
    "unreachable": "Look whether the service at ENDPOINT runs, and whether the workers' machines "
    "reach it.",
    "server_error": "The service answers with errors: ask whoever runs it.",
    "misconfigured": "Do what the reason says, with the code and the settings of the workers in "
    "mind: they may be older than those of the web server.",
    "out_of_time": "The time limit of the task django_visualsnoop.sync_records is too short for "
    "these images: raise it, or look why reading or sending them takes so long.",
    "error": "The storage, the collection's backend or the project's own code raised an error; "
    "the log of the workers may say more.",
}


def sweep_words(using: str, swept_at: datetime | None, now: datetime) -> str:
    """Say in a sentence when the sweeper last began."""
    if swept_at is None:
        return f"No sweep of {using!r} has ever run."
    return f"The last sweep began {duration(max(0.0, (now - swept_at).total_seconds()))} ago."


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
            f"More records than {max_failed:,} have failed for good, for reasons of their "
            "pictures or files.",
            "For the reasons, type: "
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
        f"Rows have a picture that was never asked to be indexed, so no search finds it: {fields}.",
        f"Type: {command(found, using)}",
        sum(one.count for one in found),
    )


def _unmigrated(using: str, missing: list[str]) -> Problem:
    labels = sorted({name.partition(".")[0] for name in missing})
    return Problem(
        MIGRATIONS,
        f"The database {using!r} lacks migrations: {', '.join(missing)}. What else is wrong "
        "cannot be told before.",
        "Type: "
        + " && ".join(f"python manage.py migrate {label} --database {using}" for label in labels),
        len(missing),
    )


def _refused(using: str, error: Error) -> Problem:
    """Find out why the database did not answer.

    The error's own words stay out: a connection string in them may hold a password.
    """
    connection = connections[using]
    table = SyncRecord._meta.db_table
    try:
        # Without a connection there is no asking, and no waiting for it a second time.
        gone = connection.connection is not None and (
            table not in connection.introspection.table_names()
        )
    except Error:
        gone = False
    if not connection.in_atomic_block:  # in which it is not ours to close
        connection.close_if_unusable_or_obsolete()  # so that the next probe begins afresh
    if gone:
        return Problem(
            MIGRATIONS,
            f"The database {using!r} has no table {table}.",
            f"Type: python manage.py migrate {APP_LABEL} --database {using}",
        )
    return Problem(
        DATABASE,
        f"The database {using!r} does not answer ({type(error).__name__}).",
        f"To see its own words, type: python manage.py dbshell --database {using}",
    )
