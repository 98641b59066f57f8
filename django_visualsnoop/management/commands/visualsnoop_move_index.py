"""``manage.py visualsnoop_move_index``: fill another index of a collection, and use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.client.exceptions import VisualSnoopError
from django_visualsnoop.collections import DEFAULT_COLLECTION_ALIAS, collections
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.options import INDEXES
from django_visualsnoop.management.interrupts import Interrupted, interruptible, program
from django_visualsnoop.management.progress import progress

if TYPE_CHECKING:
    from argparse import ArgumentParser

_MEMORY, *_OUTSIDE = INDEXES


class Command(BaseCommand):
    help = (
        "Moves a collection to the index that its settings name, while images are saved and "
        "searches go on. Stopped, it goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "collection",
            nargs="?",
            default=DEFAULT_COLLECTION_ALIAS,
            metavar="ALIAS",
            help='The collection, an alias in VISUALSNOOP. Defaults to "default".',
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--to", choices=INDEXES, help='The index. Defaults to OPTIONS["index"].')
        how.add_argument(
            "--drop", choices=_OUTSIDE, help="Remove what this index holds of the collection."
        )
        how.add_argument(
            "--status", action="store_true", help="Only print which indexes hold the collection."
        )

    def handle(
        self, *, collection: str, to: str | None, drop: str | None, status: bool, **options: Any
    ) -> None:
        self.alias, self.verbosity = collection, options["verbosity"]
        self.local = _find_collection(collection)
        try:
            with interruptible():
                if status:
                    self.print_status()
                elif drop is not None:
                    self.drop(drop)
                else:
                    self.move(to or self.local.chosen_index)
        except Interrupted as signal:
            raise CommandError(
                f"Stopped by {signal}. To go on, type the same command again.",
                returncode=signal.returncode,
            ) from signal
        except VisualSnoopError as error:
            raise CommandError(f"{error} To go on, type the same command again.") from error

    def move(self, name: str) -> None:
        if name == _MEMORY:
            self.stdout.write(
                f"Each process holds the index in its memory: there is nothing to fill. "
                f"{self.tell_setting(name)}"
            )
            return
        held = 0
        with progress(
            f"{self.alias} → {name}",
            self.local.count_images(),
            "images",
            out=self.stdout,
            verbosity=self.verbosity,
        ) as shown:

            def show(images: int) -> None:
                nonlocal held
                shown.update(images - held)
                held = images

            mended = self.local.move_index(name, show)
        self.stdout.write(
            f"The index {name} holds all {held:,} images of the collection {self.alias!r}; "
            f"{mended:,} were mended. {self.tell_setting(name)}"
        )

    def tell_setting(self, name: str) -> str:
        """Return what is left to do."""
        if self.local.chosen_index == name:
            others = [one.name for one in self.local.list_indexes() if one.name != name]
            return "Searches use it." + "".join(
                f" To free the space of {other}, type: {program()} visualsnoop_move_index "
                f"{self.alias} --drop {other}"
                for other in others
            )
        return (
            f'Searches use {self.local.chosen_index}, until VISUALSNOOP["{self.alias}"]["OPTIONS"]'
            f'["index"] is "{name}".'
        )

    def drop(self, name: str) -> None:
        if name == self.local.chosen_index:
            raise CommandError(
                f"Searches use the index {name}. First set "
                f'VISUALSNOOP["{self.alias}"]["OPTIONS"]["index"] to another one, and restart all '
                "processes."
            )
        self.local.drop_index(name)
        self.stdout.write(f"The index {name} no longer holds the collection {self.alias!r}.")

    def print_status(self) -> None:
        chosen, found = self.local.chosen_index, self.local.list_indexes()
        total = self.local.count_images()
        self.stdout.write(f"The setting names {chosen}; the collection has {total:,} images.")
        for one in found:
            state = "complete" if one.complete else "not complete: searches do not use it"
            unnamed = "" if one.configured else "; the settings do not name it"
            self.stdout.write(f"{one.name}: {one.images:,} images, {state}{unnamed}")
        if chosen != _MEMORY and chosen not in {one.name for one in found if one.complete}:
            self.stdout.write(f"To fill it, type: {program()} visualsnoop_move_index {self.alias}")


def _find_collection(alias: str) -> LocalCollection:
    try:
        found = collections[alias]
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    if not isinstance(found, LocalCollection):
        raise CommandError(
            f"The collection {alias!r} is not in the project's database, so its service has the "
            "index. Name a collection of the embedded engine."
        )
    return found
