"""The image fields that the rig changes, and what the collections should hold of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.files.storage import default_storage

from tests.faults.pictures import is_refused
from tests.testapp.models import Article, Document, Listing, Product

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from django.db import models


@dataclass(frozen=True)
class Slot:
    """One image field."""

    model: type[models.Model]
    field: str
    alias: str
    image_id: str
    #: The key of the row with this number.
    key: Callable[[int], Any]
    #: How often it is chosen, relative to the others.
    weight: int
    #: Its dimension columns make Django open the file of a row that is loaded.
    opens_files: bool = False

    @property
    def rows(self) -> Any:
        return self.model._default_manager

    @property
    def folder(self) -> str:
        found: Any = self.model._meta.get_field(self.field)
        return str(found.upload_to)


def _uuid(number: int) -> UUID:
    return UUID(int=number)


SLOTS = (
    Slot(Product, "photo", "default", "testapp.product.photo:{}", int, 6),
    Slot(Listing, "photo", "default", "testapp.listing.photo:{}", int, 4),
    Slot(Article, "cover", "default", "testapp.article.cover:{}", _uuid, 3),
    Slot(
        Article,
        "thumbnail",
        "default",
        "testapp.article.thumbnail:{}",
        _uuid,
        2,
        opens_files=True,
    ),
    Slot(Document, "scan", "archive", "scan/{}", "D-{}".format, 5),
)
PRODUCT, LISTING = SLOTS[:2]


def some_slot(dice: Random) -> Slot:
    return dice.choices(SLOTS, [slot.weight for slot in SLOTS])[0]


def wanted() -> tuple[dict[tuple[str, str], str], set[tuple[str, str]]]:
    """Return what should be indexed and what cannot be, by alias and image id.

    Of the first, the SHA-256 of the file that the row names now; of the second, that it is there.
    """
    found: dict[tuple[str, str], str] = {}
    refused: set[tuple[str, str]] = set()
    hidden = set(Listing._base_manager.filter(published=False).values_list("pk", flat=True))
    for slot in SLOTS:
        for key, name in slot.model._base_manager.values_list("pk", slot.field):
            if not name or (slot.model is Listing and key in hidden):
                continue
            with default_storage.open(name) as file:
                content = file.read()
            image = (slot.alias, slot.image_id.format(key))
            if is_refused(content):
                refused.add(image)
            else:
                found[image] = hashlib.sha256(content).hexdigest()
    return found, refused
