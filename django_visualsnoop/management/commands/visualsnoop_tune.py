"""``manage.py visualsnoop_tune``: show pairs around the threshold, ask, and print the setting."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from django_visualsnoop.client.exceptions import VisualSnoopError
from django_visualsnoop.collections import collections
from django_visualsnoop.common.search_options import check_similarity
from django_visualsnoop.management.interrupts import Interrupted, interruptible
from django_visualsnoop.management.progress import share_progress
from django_visualsnoop.management.selection import (
    add_database_argument,
    check_model_tables,
    check_tables,
    positive,
    select_fields,
)
from django_visualsnoop.reports.near_pairs import find_near_pairs
from django_visualsnoop.reports.page import written_page
from django_visualsnoop.reports.report import write_pairs
from django_visualsnoop.reports.thresholds import (
    ENOUGH,
    Label,
    count_errors,
    fit_threshold,
    has_too_few,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.reports.near_pairs import NearPair
    from django_visualsnoop.reports.thresholds import Fit

_COLUMNS = ("pair", "first", "second", "similarity", "label")
_YES, _NO = "y", "n"


class Command(BaseCommand):
    help = (
        "Shows pairs of pictures around the threshold in an HTML file, asks which are copies, and "
        'prints the OPTIONS["min_similarity"] that fits.'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "model",
            nargs="?",
            metavar="app.Model",
            help="The model whose pictures to show. Not needed if only one is indexed.",
        )
        add("--field", metavar="NAME", help="Only the image field with this name.")
        add(
            "--output",
            type=Path,
            default=Path("visualsnoop_pairs.html"),
            metavar="FILE",
            help='The HTML file to write. Defaults to "visualsnoop_pairs.html".',
        )
        add(
            "--labels",
            type=Path,
            metavar="FILE",
            help="A CSV file. If it exists, its labels are used, and nothing is asked. If it does "
            "not, the pairs or your answers are written to it.",
        )
        add(
            "--pairs",
            type=positive,
            default=20,
            metavar="COUNT",
            help="How many pairs to show on each side of the threshold. Defaults to 20.",
        )
        add(
            "--min-similarity",
            type=float,
            metavar="0…1",
            help="The threshold to start from. Defaults to the collection's own.",
        )
        add_database_argument(parser)

    def handle(self, **options: Any) -> None:
        check_tables(options["database"])
        names = [options["model"]] if options["model"] else []
        fields = select_fields(names, collection=None, field=options["field"])
        check_model_tables(fields, options["database"])
        if len({(field.owner, field.collection) for field in fields}) > 1:
            raise CommandError(
                f"Choose one model, or one field with --field: {', '.join(map(str, fields))}."
            )
        try:
            with interruptible():
                self.tune(fields, options)
        except Interrupted as signal:
            raise CommandError(f"Stopped by {signal}.", returncode=signal.returncode) from signal
        except (VisualSnoopError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Cannot use {error.filename}: {error.strerror}") from error

    def tune(self, fields: list[IndexedField], options: dict[str, Any]) -> None:
        alias = fields[0].collection
        check_similarity(options["min_similarity"])
        threshold = options["min_similarity"]
        if threshold is None:
            threshold = collections[alias].min_similarity
        if threshold is None:
            raise CommandError(
                f"The collection {alias!r} does not tell its threshold. Name one: "
                "--min-similarity 0.8"
            )
        path: Path | None = options["labels"]
        if path is not None and path.exists():
            labels = read_labels(path)
        else:
            pairs = self.show_pairs(fields, threshold, options)
            answers = self.ask(pairs) if sys.stdin.isatty() else {}
            if path is not None:
                write_labels(path, pairs, answers)
                if not answers:
                    self.stdout.write(
                        f"Wrote {path}. Put y for copies and n for others in the column "
                        '"label", and run the command again.'
                    )
            labels = [Label(pairs[number - 1].similarity, yes) for number, yes in answers.items()]
        if labels:
            self.tell(alias, fit_threshold(labels, threshold), labels, threshold)
        else:
            self.stdout.write("There are no labels yet, so there is no setting to print.")

    def show_pairs(
        self, fields: list[IndexedField], threshold: float, options: dict[str, Any]
    ) -> list[NearPair]:
        """Write the page of pairs, and return them in its order."""
        using, model = options["database"], fields[0].owner
        label = f"{model._meta.label}: comparing pictures"
        with share_progress(label, out=self.stdout, verbosity=options["verbosity"]) as show:
            pairs = find_near_pairs(
                fields, using=using, threshold=threshold, count=options["pairs"], progress=show
            )
        title = _("Pairs of %(name)s around the threshold") % {"name": model._meta.label}
        with written_page(options["output"], title) as page:
            page.write("tune.html", threshold=threshold, count=len(pairs))
            write_pairs(page, model, pairs, using=using, threshold=threshold)
        self.stdout.write(f"Wrote {len(pairs)} pairs to {options['output']}. Open it in a browser.")
        return pairs

    def ask(self, pairs: list[NearPair]) -> dict[int, bool]:
        """Return whether each pair is a pair of copies, by number, as far as the user says."""
        answers: dict[int, bool] = {}
        for number, pair in enumerate(pairs, 1):
            question = (
                f"Pair {number} of {len(pairs)}, {pair.first} and {pair.second}: copies? "
                "[y, n, Enter to skip, q to end] "
            )
            try:
                while (answer := input(question).strip().lower()) not in (_YES, _NO, "", "q"):
                    self.stdout.write("Type y, n or q, or nothing.")
            except EOFError:
                break
            if answer == "q":
                break
            if answer:
                answers[number] = answer == _YES
        return answers

    def tell(self, alias: str, fit: Fit, labels: list[Label], current: float) -> None:
        """Print the setting, and what the labels say about it."""
        before = count_errors(labels, current)
        low, high = fit.interval
        self.stdout.write(
            f'VISUALSNOOP[{alias!r}]["OPTIONS"]["min_similarity"] = {fit.threshold:g}\n'
            f"Of {fit.count} labelled pairs, {fit.errors} would be wrong: {fit.missed} copies left "
            f"out, {fit.wrong} others found as copies.\n"
            f"At {current:g}, which you started from, {before.errors} would be wrong: "
            f"{before.missed} copies left out, {before.wrong} others found as copies.\n"
            f"Of pairs like these, between {low:.0%} and {high:.0%} would be wrong (95 % "
            "confidence interval). Pairs far from the threshold are wrong less often."
        )
        if has_too_few(labels):
            copies = sum(label.is_copy for label in labels)
            self.stdout.write(
                f"These are too few labels to rely on: {copies} copies and {len(labels) - copies} "
                f"others. Label at least {ENOUGH} of each."
            )


def read_labels(path: Path) -> list[Label]:
    """Return the labels of a file; rows without a label are left out.

    Raises:
        CommandError: a row is not as ``write_labels()`` writes it.
    """
    labels = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            label = (row.get("label") or "").strip().lower()
            if not label:
                continue
            try:
                similarity = float(row.get("similarity") or "")
                check_similarity(similarity)
            except ValueError as error:
                raise CommandError(
                    f"{path}, line {number}: the column similarity must be a number from 0 to 1, "
                    f"not {row.get('similarity')!r}."
                ) from error
            if label not in (_YES, _NO):
                raise CommandError(
                    f"{path}, line {number}: the column label must be y or n, not {label!r}."
                )
            labels.append(Label(similarity, label == _YES))
    return labels


def write_labels(path: Path, pairs: list[NearPair], answers: dict[int, bool]) -> None:
    """Write one row per pair, with a label where there is an answer."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for number, pair in enumerate(pairs, 1):
            label = {True: _YES, False: _NO, None: ""}[answers.get(number)]
            writer.writerow([number, pair.first, pair.second, repr(pair.similarity), label])
