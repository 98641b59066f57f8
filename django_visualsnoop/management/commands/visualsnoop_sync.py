"""``manage.py visualsnoop_sync``: run the sweeper, from cron or by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.management.interrupts import Interrupted, interruptible
from django_visualsnoop.management.locks import telling_locks
from django_visualsnoop.management.selection import add_database_argument, check_tables, positive
from django_visualsnoop.outbox import requests
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.audit import BATCH_SIZE, audit_batches

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Processes every record that is due: requests whose message was lost, and failures that "
        "are due for a retry. Run it every minute if Celery beat does not run the sweeper. The "
        "exit status is 1 if a record failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_database_argument(parser)
        parser.add_argument("--limit", type=int, metavar="N", help="Process at most N records.")
        parser.add_argument(
            "--retry-failed",
            action="store_true",
            help="First requeue failed records, including those that wait for a retry.",
        )
        parser.add_argument(
            "--audit",
            action="store_true",
            help="First scan all rows and request a sync of those that differ from their record, "
            "for example because SQL changed them or a stale instance was saved.",
        )
        parser.add_argument(
            "--batch-size",
            type=positive,
            default=BATCH_SIZE,
            metavar="N",
            help="Rows per batch of --audit. Defaults to %(default)s.",
        )

    def handle(
        self,
        *,
        database: str,
        limit: int | None,
        retry_failed: bool,
        audit: bool,
        batch_size: int,
        **_: object,
    ) -> None:
        check_tables(database)
        again = f"python manage.py visualsnoop_sync --database {database}"
        try:
            with interruptible(), telling_locks(database, again):
                if retry_failed:
                    count = requests.retry_failed(
                        SyncRecord.objects.using(database), dispatch=False
                    )
                    self.stdout.write(f"Requeued {count:,} failed records.")
                if audit:
                    batches = audit_batches(using=database, batch_size=batch_size, dispatch=False)
                    found = sum(batches)
                    self.stdout.write(f"The audit found {found:,} rows that were not in sync.")
                outcome = worker.sweep(using=database, limit=limit)
        except Interrupted as signal:
            raise CommandError(
                f"Stopped by {signal}. The remaining records stay due; run the command again.",
                returncode=signal.returncode,
            ) from signal
        self.stdout.write(
            f"{outcome.in_sync:,} records in sync, {len(outcome.retrying):,} retrying, "
            f"{len(outcome.failed):,} failed."
        )
        if outcome.retrying or outcome.failed:
            raise CommandError(
                "Some records failed. To see the reasons, type: "
                f"python manage.py visualsnoop_status --failed --database {database}"
            )
