"""Wait until every picture is indexed, then show which copies were found."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from archive.models import Photograph
from django_visualsnoop.models import SyncRecord
from example.pictures import EDITS, HOLDINGS, PRINTS
from shop.models import Product

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django_visualsnoop.search.duplicates import DuplicateGroups

State = SyncRecord.State


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wait", type=float, default=60, help="seconds to wait at most")

    def handle(self, *, wait: float, **options: Any) -> None:
        self._wait(wait)
        self._show("products", Product.objects.duplicates())
        self._show("photographs", Photograph.objects.duplicates())
        self._show_similar()
        missed = [
            *_missed(Product.objects.duplicates(), [sold.name for sold in PRINTS], _products()),
            *_missed(
                Photograph.objects.duplicates(), [held.title for held in HOLDINGS], _photographs()
            ),
        ]
        if missed:
            raise CommandError("Not found as copies of their originals: " + "; ".join(missed))

    def _wait(self, seconds: float) -> None:
        started = time.monotonic()
        while True:
            records = list(SyncRecord.objects.all())
            states = Counter(record.state for record in records)
            if states[State.WAITING] + states[State.RETRYING] == 0:
                break
            if time.monotonic() - started > seconds:
                raise CommandError(
                    f"After {seconds:g} s, {states[State.IN_SYNC]} of {len(records)} pictures are "
                    "indexed. Is a worker running?"
                )
            time.sleep(0.2)
        for record in records:
            if record.state == State.FAILED:
                self.stderr.write(f"{record.image_id} cannot be indexed: {record.reason}")
        indexed = sum(record.state == State.IN_SYNC and record.wanted for record in records)
        self.stdout.write(f"The worker has indexed {indexed} pictures.")

    def _show(self, what: str, groups: DuplicateGroups[Any]) -> None:
        self.stdout.write(f"\n{len(groups)} groups of copies among the {what}:")
        for group in groups:
            self.stdout.write(_line("  ", group.members[0].row, group.similarity))
            for member in group.members[1:]:
                self.stdout.write(_line("    = ", member.row, member.similarity))

    def _show_similar(self) -> None:
        on_sale = Product.objects.filter(active=True)
        product = on_sale.filter(name=PRINTS[0].name).first()
        if product is not None:
            self.stdout.write(f"\nPrints copies_of() {product}:")
            for other in on_sale.copies_of(product, limit=5):
                similarity: float | None = other.visualsnoop_similarity
                self.stdout.write(_line("  ", other, similarity))


def _line(start: str, row: object, similarity: float | None) -> str:
    return f"{start}{row}" if similarity is None else f"{start + str(row):<48} {similarity:.2f}"


def _products() -> set[str]:
    return set(Product.objects.filter(active=True).values_list("name", flat=True))


def _photographs() -> set[str]:
    return set(Photograph.objects.values_list("title", flat=True))


def _missed(groups: DuplicateGroups[Any], originals: list[str], present: set[str]) -> list[str]:
    """Return the edited copies that share no group with their original."""
    groups_of_names = [{str(row) for row in group} for group in groups]
    return [
        copy
        for original in originals
        for copy in (f"{original}, {edit}" for edit in EDITS)
        if {original, copy} <= present
        and not any({original, copy} <= names for names in groups_of_names)
    ]
