"""``manage.py visualsnoop_sync``: the sweeper, for cron or by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.management.interrupts import Interrupted, interruptible
from django_visualsnoop.management.locks import telling_locks
from django_visualsnoop.management.selection import add_database_argument, check_tables, positive
from django_visualsnoop.outbox import requests
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.sync import audit as auditing
from django_visualsnoop.sync import worker as sync

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Bring home every record that is due: wishes whose hint was lost, and failures whose "
        "time has come. Run it every minute where no Celery beat does. Ends with 1 if one failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_database_argument(parser)
        parser.add_argument("--limit", type=int, metavar="N", help="At most N records.")
        parser.add_argument(
            "--retry-failed",
            action="store_true",
            help="First wish again what has failed, for good or until a later attempt.",
        )
        parser.add_argument(
            "--audit",
            action="store_true",
            help="First walk through all rows and wish again for those that disagree with their "
            "record, after a stale instance was saved or rows were changed by SQL.",
        )
        parser.add_argument(
            "--batch-size",
            type=positive,
            default=auditing.BATCH_SIZE,
            metavar="N",
            help="Rows that --audit compares at a time; %(default)s if not given.",
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
                    self.stdout.write(f"{count:,} failed records are due again.")
                if audit:
                    found = auditing.audit(using=database, batch_size=batch_size, dispatch=False)
                    self.stdout.write(f"{found:,} rows disagreed with their record.")
                outcome = sync.sweep(using=database, limit=limit)
        except Interrupted as signal:
            raise CommandError(
                f"Stopped by {signal}. What is not done stays due; run it again.",
                returncode=signal.returncode,
            ) from signal
        self.stdout.write(
            f"{outcome.agreed:,} records agree now, {len(outcome.retrying):,} will be tried "
            f"again, {len(outcome.failed):,} failed for good."
        )
        if outcome.retrying or outcome.failed:
            raise CommandError(
                "Not all succeeded. For the reasons, type: "
                f"python manage.py visualsnoop_status --failed --database {database}"
            )
