"""``manage.py visualsnoop_status``: how many agree, wait, failed and why."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from django_visualsnoop.durations import duration
from django_visualsnoop.management.selection import add_database_argument, check_tables
from django_visualsnoop.status import failing, statuses

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django_visualsnoop.models import SyncRecord
    from django_visualsnoop.status import FieldStatus


class Command(BaseCommand):
    help = "Show how many images agree, wait or failed, and why, per field and collection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_database_argument(parser)
        parser.add_argument("--json", action="store_true", help="Print JSON, for programs.")
        parser.add_argument("--failed", action="store_true", help="Also list every failure.")

    def handle(self, *, database: str, failed: bool, **options: object) -> None:
        check_tables(database)
        found = statuses(database)
        if options["json"]:
            told: dict[str, object] = {"database": database, "fields": list(map(asdict, found))}
            if failed:
                told["failed"] = [_failed(record) for record in failing(database)]
            self.stdout.write(json.dumps(told, cls=DjangoJSONEncoder, indent=2))
            return
        for status in found:
            self._print(status)
        if not found:
            self.stdout.write("No model is indexed.")
        if failed:
            for record in failing(database):
                self.stdout.write(f"{record.image_id} ({record.state.label}): {record.reason}")

    def _print(self, status: FieldStatus) -> None:
        rows = (
            "no longer indexed by the code"
            if status.rows is None
            else f"{status.rows:,} rows with a picture"
        )
        self.stdout.write(
            f"{status.model}.{status.field} → {status.collection}: {rows}; "
            f"{status.agree:,} agree, {status.waiting:,} waiting, "
            f"{status.retrying:,} retrying, {status.failed:,} failed"
        )
        if status.oldest_wish is not None:
            age = (timezone.now() - status.oldest_wish).total_seconds()
            self.stdout.write(f"    the oldest wish waits for {duration(max(0.0, age))}")
        for reason in status.reasons:
            self.stdout.write(
                f"    {reason.count:,} {reason.code}, such as {reason.image_id}: {reason.reason}"
            )


def _failed(record: SyncRecord) -> dict[str, object]:
    names = ("collection", "image_id", "model", "field", "object_id", "reason_code", "reason")
    return {
        **{name: getattr(record, name) for name in names},
        "state": record.state.value,
        "attempts": record.attempts,
        "due_at": record.due_at,
    }
