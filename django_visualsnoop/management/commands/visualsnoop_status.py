"""``manage.py visualsnoop_status``: print problems, and the number of images by sync state."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from django_visualsnoop.common.durations import duration
from django_visualsnoop.health import MAX_DELAY, MIN_ATTEMPTS, health, sweep_words
from django_visualsnoop.management.locks import telling_locks
from django_visualsnoop.management.selection import add_database_argument, positive
from django_visualsnoop.sync.status import failing, outdated, statuses, without_embedding

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django_visualsnoop.health import Health
    from django_visualsnoop.outbox.record import SyncRecord
    from django_visualsnoop.sync.status import FieldStatus


class Command(BaseCommand):
    help = (
        "Prints problems, and the number of images by sync state with failure reasons, per field "
        "and collection."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_database_argument(parser)
        parser.add_argument("--json", action="store_true", help="Print JSON.")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--failed", action="store_true", help="Also list every failure.")
        how.add_argument(
            "--check",
            action="store_true",
            help="Print only problems, which is fast. The exit status is 1 if there are any.",
        )
        parser.add_argument(
            "--max-delay",
            type=float,
            default=MAX_DELAY,
            metavar="SECONDS",
            help="How long a record may be due. Defaults to %(default)g.",
        )
        parser.add_argument(
            "--min-attempts",
            type=positive,
            default=MIN_ATTEMPTS,
            metavar="N",
            help="Report records that failed at least N times in a row for reasons that their "
            "pictures do not cause. Defaults to %(default)s.",
        )
        parser.add_argument(
            "--max-failed",
            type=int,
            metavar="N",
            help="How many records may have failed permanently. Defaults to any number.",
        )

    def handle(
        self,
        *,
        database: str,
        failed: bool,
        check: bool,
        max_delay: float,
        min_attempts: int,
        max_failed: int | None,
        **options: object,
    ) -> None:
        found = health(
            database, max_delay=max_delay, min_attempts=min_attempts, max_failed=max_failed
        )
        silent = found.late is None  # do not query a database that does not answer
        with telling_locks(database, f"python manage.py visualsnoop_status --database {database}"):
            fields = None if check else [] if silent else statuses(database)
            failures = None if not failed else [] if silent else list(failing(database))
        if options["json"]:
            told = _told(found, fields, failures)
            self.stdout.write(json.dumps(told, cls=DjangoJSONEncoder, indent=2))
        else:
            self._print(found, fields, failures, check=check)
        if not found.ok and (check or silent):
            words = ", ".join(problem.code for problem in found.problems)
            raise CommandError(f"Found problems: {words}")

    def _print(
        self,
        found: Health,
        fields: list[FieldStatus] | None,
        failures: list[SyncRecord] | None,
        *,
        check: bool,
    ) -> None:
        for problem in found.problems:
            self.stdout.write(self.style.ERROR(f"{problem.code}: {problem.message}"))
            self.stdout.write(f"    {problem.hint}")
        if not check and found.late is not None:
            self.stdout.write(_sweep_line(found))
        if check and found.ok:
            self.stdout.write(f"No problems in the database {found.using!r}.")
        for status in fields or ():
            self._print_field(status, found.using)
        for alias, count in outdated(fields or ()).items():
            self.stdout.write(
                f"{alias}: an older version or another model described {count:,} images. Until "
                "they are described again, searches may miss them, or not say how they are "
                "related. The sweeper does this when nothing else is due. To do it now, type: "
                f"python manage.py visualsnoop_reindex --collection {alias}"
            )
        for alias, count in without_embedding(fields or ()).items():
            self.stdout.write(
                f"{alias}: the embedding model failed for {count:,} images. Searches find them as "
                "copies, but not as similar. Check the log of the workers. To retry, type: "
                f"python manage.py visualsnoop_reindex --collection {alias}"
            )
        if fields == [] and found.late is not None:
            self.stdout.write("No model is indexed.")
        for record in failures or ():
            self.stdout.write(f"{record.image_id} ({record.state.label}): {record.reason}")

    def _print_field(self, status: FieldStatus, using: str) -> None:
        rows = (
            "the code no longer indexes this field"
            if status.rows is None
            else f"{status.rows:,} rows with a picture"
        )
        self.stdout.write(
            f"{status.model}.{status.field} → {status.collection}: {rows}; "
            f"{status.in_sync:,} in sync, {status.waiting:,} waiting, "
            f"{status.retrying:,} retrying, {status.failed:,} failed"
        )
        if status.unrecorded:
            self.stdout.write(
                f"    at least {status.unrecorded:,} rows were never indexed. Type: "
                f"python manage.py visualsnoop_reindex {status.model} --missing "
                f"--database {using}"
            )
        if status.oldest_pending_age is not None:
            self.stdout.write(
                f"    the oldest pending request is {duration(status.oldest_pending_age)} old"
            )
        for reason in status.reasons:
            self.stdout.write(
                f"    {reason.count:,} {reason.code}, for example {reason.image_id}: "
                f"{reason.reason}"
            )


def _sweep_line(found: Health) -> str:
    now = timezone.now()
    line = sweep_words(found.using, found.swept_at, now)
    if found.swept_at is not None and (now - found.swept_at).total_seconds() < MAX_DELAY:
        return line
    return (
        f"{line} Let Celery beat run django_visualsnoop.sync_all every minute, or let cron run: "
        f"python manage.py visualsnoop_sync --database {found.using}"
    )


def _told(
    found: Health, fields: list[FieldStatus] | None, failures: list[SyncRecord] | None
) -> dict[str, object]:
    """Return the output of ``--json``.

    It contains ``fields``, ``outdated`` and ``failed`` if requested.
    """
    told: dict[str, object] = {
        "database": found.using,
        "healthy": found.ok,
        "problems": [asdict(problem) for problem in found.problems],
        "late": found.late,
        "swept_at": found.swept_at,
    }
    if fields is not None:
        told["fields"] = [
            {**asdict(status), "oldest_pending_age": status.oldest_pending_age} for status in fields
        ]
        told["outdated"] = outdated(fields)
    if failures is not None:
        told["failed"] = [_failed(record) for record in failures]
    return told


def _failed(record: SyncRecord) -> dict[str, object]:
    names = ("collection", "image_id", "model", "field", "object_id", "reason_code", "reason")
    return {
        **{name: getattr(record, name) for name in names},
        "state": record.state.value,
        "attempts": record.attempts,
        "due_at": record.due_at,
    }
