from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from django_visualsnoop.server.content.pictures import find_orphans, sweep_files
from django_visualsnoop.server.content.removals import expire_removals

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Delete files of retained pictures that belong to no image, such as files that a crash "
        "has left behind, and images that a review has deleted once they can no longer be "
        "restored. Keeps files of the last day. Run it once a day."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="print how many files it would delete, and delete nothing",
        )

    def handle(self, *_: Any, **options: Any) -> str:
        if options["dry_run"]:
            return f"Files to delete: {len(list(find_orphans()))}."
        expired = expire_removals()
        return f"Files deleted: {sweep_files()}. Images that can no longer be restored: {expired}."
