"""``manage.py visualsnoop_report``: write one HTML file about copies, near misses and sync."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from django_visualsnoop.client.exceptions import VisualSnoopError
from django_visualsnoop.management.interrupts import Interrupted, interruptible
from django_visualsnoop.management.locks import telling_locks
from django_visualsnoop.management.progress import share_progress
from django_visualsnoop.management.selection import (
    add_database_argument,
    check_model_tables,
    check_tables,
    positive,
    select_fields,
)
from django_visualsnoop.querysets import VisualSnoopQuerySet
from django_visualsnoop.reports.page import written_page
from django_visualsnoop.reports.report import write_groups, write_health, write_near_misses

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django.db import models

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.reports.page import Page


class Command(BaseCommand):
    help = (
        "Writes one HTML file that needs nothing else: groups of copies with their pictures, bytes "
        "to free, near misses around the threshold, and sync health."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("models", nargs="*", metavar="app.Model", help="Only these models or apps.")
        add("--output", required=True, type=Path, metavar="FILE", help="The file to write.")
        add(
            "--limit",
            type=positive,
            default=200,
            metavar="COUNT",
            help="How many groups of each model to show. Defaults to 200; all groups are counted.",
        )
        add(
            "--near-misses",
            type=positive,
            default=12,
            metavar="COUNT",
            help="How many pairs to show on each side of the threshold. Defaults to 12.",
        )
        add(
            "--min-similarity",
            type=float,
            metavar="0…1",
            help="The threshold. Defaults to the collection's own.",
        )
        add(
            "--no-closer-look",
            action="store_false",
            dest="closer_look",
            help="Do not read files again to find small differences between them.",
        )
        add_database_argument(parser)

    def handle(self, **options: Any) -> None:
        check_tables(options["database"])
        fields = select_fields(options["models"], collection=None, field=None)
        check_model_tables(fields, options["database"])
        by_model: defaultdict[type[models.Model], list[IndexedField]] = defaultdict(list)
        for field in fields:
            by_model[field.owner].append(field)
        output: Path = options["output"]
        using = options["database"]
        try:
            with (
                interruptible(),
                telling_locks(using, f"python manage.py visualsnoop_report --output {output}"),
                written_page(output, _("Image search report")) as page,
            ):
                for model, members in by_model.items():
                    self.write_model(page, model, members, options)
                write_health(page, using=using)
        except Interrupted as signal:
            raise CommandError(f"Stopped by {signal}.", returncode=signal.returncode) from signal
        except (VisualSnoopError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Cannot write {output}: {error.strerror}") from error
        if options["verbosity"] > 0:
            self.stdout.write(f"Wrote {output}.")

    def write_model(
        self,
        page: Page,
        model: type[models.Model],
        fields: list[IndexedField],
        options: dict[str, Any],
    ) -> None:
        rows: VisualSnoopQuerySet[Any] = VisualSnoopQuerySet(model, using=options["database"])
        label = f"{model._meta.label}: looking for duplicates"
        with share_progress(label, out=self.stdout, verbosity=options["verbosity"]) as show:
            groups = rows.duplicates(
                min_similarity=options["min_similarity"],
                progress=show,
                closer_look=options["closer_look"],
            )
        write_groups(page, model, groups, limit=options["limit"])
        by_collection: defaultdict[str, list[IndexedField]] = defaultdict(list)
        for field in fields:
            by_collection[field.collection].append(field)
        for members in by_collection.values():
            write_near_misses(
                page,
                members,
                using=options["database"],
                count=options["near_misses"],
                min_similarity=options["min_similarity"],
            )
