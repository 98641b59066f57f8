"""The rows that the machine changes, and what they want of the collections, told by SQL alone."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from tests.testapp.models import Article, Document, Listing, Product

if TYPE_CHECKING:
    from django.db import models

ALIASES = ("default", "archive")
#: A picture that every collection refuses.
REFUSED = 0
PICTURES = 4
#: Longest id that a collection takes, in characters.
LONGEST_ID = 100


@dataclass(frozen=True, repr=False)
class Slot:
    """One image field, and the keys of the few rows that the machine gives it."""

    model: type[models.Model]
    field: str
    folder: str
    alias: str
    image_id: str
    keys: tuple[Any, ...]
    #: Its dimension columns make Django open the file of a row that is loaded.
    opens_files: bool = False

    def __repr__(self) -> str:
        return f"{self.model.__name__}.{self.field}"

    def file_name(self, key: Any, letter: str) -> str:
        """Return a name that no other row uses, without its folder."""
        return f"{self.field}-{self.keys.index(key)}-{letter}.png"

    def stored_name(self, key: Any, letter: str) -> str:
        return f"{self.folder}/{self.file_name(key, letter)}"


SLOTS = (
    Slot(Product, "photo", "products", "default", "testapp.product.photo:{}", (1, 2)),
    Slot(Listing, "photo", "listings", "default", "testapp.listing.photo:{}", (1, 2)),
    Slot(
        Article,
        "cover",
        "covers",
        "default",
        "testapp.article.cover:{}",
        (UUID(int=1), UUID(int=2)),
    ),
    Slot(
        Article,
        "thumbnail",
        "thumbnails",
        "default",
        "testapp.article.thumbnail:{}",
        (UUID(int=1), UUID(int=2)),
        opens_files=True,
    ),
    Slot(Document, "scan", "scans", "archive", "scan/{}", ("two words", "k" * 120)),
)


@cache
def picture(number: int) -> bytes:
    if number == REFUSED:
        return b""
    buffer = io.BytesIO()
    Image.new("L", (4, 4), number * 20).save(buffer, "PNG")
    return buffer.getvalue()


def upload(number: int, name: str) -> ContentFile[bytes]:
    return ContentFile(picture(number), name)


def bytes_of(name: str) -> bytes:
    """Return a file's bytes; none if the file is not there."""
    if not default_storage.exists(name):
        return b""
    with default_storage.open(name) as file:
        data: bytes = file.read()
    return data


def named_rows(slot: Slot) -> dict[Any, str]:
    """Return the rows of a slot that have a picture: key → its file's name."""
    found = slot.model._base_manager.values_list("pk", slot.field)
    return {key: name for key, name in found if name}


def wanted() -> dict[str, dict[str, bytes]]:
    """Return what each collection should hold: alias → image id → bytes."""
    found: dict[str, dict[str, bytes]] = {alias: {} for alias in ALIASES}
    hidden = set(Listing._base_manager.filter(published=False).values_list("pk", flat=True))
    for slot in SLOTS:
        for key, name in named_rows(slot).items():
            image_id = slot.image_id.format(key)
            refused = len(image_id) > LONGEST_ID or (slot.model is Listing and key in hidden)
            if not refused and (data := bytes_of(name)):
                found[slot.alias][image_id] = data
    return found


def identifiers() -> set[tuple[str, str]]:
    """Return which records there should be: alias and image id of every row with a picture."""
    return {(slot.alias, slot.image_id.format(key)) for slot in SLOTS for key in named_rows(slot)}
