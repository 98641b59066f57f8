"""``manage.py visualsnoop_duplicates``: print groups of copies, for a log or a program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from django_visualsnoop.client.exceptions import VisualSnoopError
from django_visualsnoop.management.interrupts import Interrupted, interruptible
from django_visualsnoop.management.locks import telling_locks
from django_visualsnoop.management.progress import share_progress
from django_visualsnoop.management.selection import (
    add_database_argument,
    check_model_tables,
    check_tables,
    select_fields,
)
from django_visualsnoop.querysets import VisualSnoopQuerySet
from django_visualsnoop.review.search import search_completely

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django.db import models

    from django_visualsnoop.search.duplicates import DuplicateGroup, DuplicateGroups


class Command(BaseCommand):
    help = "Prints groups of rows whose pictures are copies of each other, the closest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("models", nargs="*", metavar="app.Model", help="Only these models or apps.")
        add("--field", metavar="NAME", help="Only the image field with this name.")
        add(
            "--min-similarity",
            type=float,
            metavar="0…1",
            help="How similar two pictures must be. Defaults to the collection's own threshold.",
        )
        add(
            "--no-closer-look",
            action="store_false",
            dest="closer_look",
            help="Do not read files again to find small differences between them.",
        )
        add(
            "--review",
            action="store_true",
            help="Store the groups for the review page of the admin, too.",
        )
        add("--json", action="store_true", help="Print one JSON object per line and group.")
        add_database_argument(parser)

    def handle(self, **options: Any) -> None:
        check_tables(options["database"])
        if options["review"] and (options["field"] or options["min_similarity"] is not None):
            raise CommandError("--review stores all groups: omit --field and --min-similarity.")
        fields = select_fields(options["models"], collection=None, field=options["field"])
        check_model_tables(fields, options["database"])
        count = 0
        try:
            using = options["database"]
            again = f"python manage.py visualsnoop_duplicates --database {using}"
            with interruptible(), telling_locks(using, again):
                for model in dict.fromkeys(field.owner for field in fields):
                    groups = self.find(model, options)
                    count += len(groups)
                    for group in groups:
                        self.stdout.write(
                            _as_json(model, group) if options["json"] else _as_text(model, group)
                        )
        except Interrupted as signal:
            raise CommandError(f"Stopped by {signal}.", returncode=signal.returncode) from signal
        except (VisualSnoopError, ValueError) as error:
            raise CommandError(str(error)) from error
        if not count and not options["json"]:
            self.stdout.write("No duplicates.")

    def find(self, model: type[models.Model], options: dict[str, Any]) -> DuplicateGroups[Any]:
        rows: VisualSnoopQuerySet[Any] = VisualSnoopQuerySet(model, using=options["database"])
        label = f"{model._meta.label}: looking for duplicates"
        verbosity = 0 if options["json"] else options["verbosity"]
        with share_progress(label, out=self.stdout, verbosity=verbosity) as show:
            if options["review"]:
                stored = search_completely(model, using=options["database"], progress=show)
                if stored is None:
                    raise CommandError(
                        f"Another process is searching for duplicates of {model._meta.label}. "
                        "Wait for it, or omit --review."
                    )
                return stored
            return rows.duplicates(
                field=options["field"],
                min_similarity=options["min_similarity"],
                progress=show,
                closer_look=options["closer_look"],
            )


def _as_text(model: type[models.Model], group: DuplicateGroup[Any]) -> str:
    lines = [f"{len(group)} of {model._meta.label}, rank {group.rank}{_similar(group.similarity)}"]
    lines += [
        f"    {member.row.pk}  {getattr(member.row, member.field).name}  "
        f"rank {member.rank}{_similar(member.similarity)}"
        for member in group.members
    ]
    return "\n".join(lines)


def _similar(similarity: float | None) -> str:
    return "" if similarity is None else f", similarity {similarity:.3f}"


def _as_json(model: type[models.Model], group: DuplicateGroup[Any]) -> str:
    return json.dumps(
        {
            "model": model._meta.label,
            "rank": group.rank,
            "similarity": group.similarity,
            "members": [
                {
                    "pk": member.row.pk,
                    "field": member.field,
                    "file": getattr(member.row, member.field).name,
                    "rank": member.rank,
                    "similarity": member.similarity,
                }
                for member in group.members
            ],
        },
        cls=DjangoJSONEncoder,
    )
