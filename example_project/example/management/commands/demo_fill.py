"""Fill an empty shop and archive with photographs and edited copies of them."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from PIL import Image

from archive.models import Photograph
from example.pictures import EDITS, HOLDINGS, PRINTS
from shop.models import Product

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

COPIES_EACH = 2


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("pictures", type=Path, help="folder of the photographs")

    def handle(self, *, pictures: Path, **options: Any) -> None:
        if Product.objects.exists() or Photograph.objects.exists():
            self.stdout.write("The shop and the archive are filled already.")
            return
        # All or nothing, so that a fill that was interrupted is simply made again.
        with transaction.atomic():
            copies = cycle(EDITS)
            for sold in PRINTS:
                for name, file in _with_copies(pictures, sold.stem, sold.name, copies):
                    Product.objects.create(name=name, price=sold.price, photo=file)
            for held in HOLDINGS:
                for title, file in _with_copies(pictures, held.stem, held.title, copies):
                    Photograph.objects.create(
                        title=title,
                        photographer=held.photographer,
                        taken_on=held.taken_on,
                        picture=file,
                    )
            withdrawn = Product.objects.get(name=PRINTS[0].name)
            Product.objects.create(
                name=f"{withdrawn.name} (withdrawn)",
                price=withdrawn.price,
                photo=ContentFile(withdrawn.photo.read(), name="withdrawn.png"),
                active=False,
            )
            get_user_model().objects.create_superuser("demo", password="demo")
        self.stdout.write(
            f"Saved {Product.objects.count()} products and "
            f"{Photograph.objects.count()} photographs, edited copies among them."
        )


def _with_copies(
    folder: Path, stem: str, name: str, edits: Iterator[str]
) -> Iterator[tuple[str, ContentFile[bytes]]]:
    """Yield the name and file of a photograph, then of its edited copies."""
    paths = sorted(folder.glob(f"{stem}.*"))
    if not paths:
        raise CommandError(f"There is no picture {stem}.* in {folder}.")
    yield name, ContentFile(paths[0].read_bytes(), name=paths[0].name)
    with Image.open(paths[0]) as opened:
        picture = opened.convert("RGB")
    for edit in islice(edits, COPIES_EACH):
        file_name = f"{stem}-{edit.replace(' ', '-')}.jpg"
        yield f"{name}, {edit}", ContentFile(EDITS[edit](picture), name=file_name)
