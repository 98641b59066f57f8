from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from django_visualsnoop.server.content.pictures import find_orphans, sweep_files

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Delete files of retained pictures that belong to no image, such as a crash leaves behind. "
        "Files of the last day are left alone. Safe at any time; once a day is enough."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *_: Any, **options: Any) -> str:
        if options["dry_run"]:
            return f"Would delete {len(list(find_orphans()))} files."
        return f"{sweep_files()} files are deleted."
