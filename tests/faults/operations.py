"""What a project does with its rows, each kind as a project would write it.

Rows overlap between the web processes; names of files do not, since two processes that write one
file race in the storage. Whatever saves a whole row locks it first: an older instance saved over a
newer row is what only the audit finds, and it must find nothing here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction

from tests.faults.pictures import picture, refused
from tests.faults.rows import LISTING, PRODUCT, Slot, some_slot
from tests.testapp.models import Listing, Product, Shop

if TYPE_CHECKING:
    from random import Random

#: One in so many files is no picture.
REFUSED_IN = 40
SHOPS = 4
#: Names that one process gives to the files of one row; a second use overwrites the first.
LETTERS = "abc"
#: How long a file may be later than its row, in seconds.
LATE = (0.2, 2.0)


@dataclass(frozen=True)
class Written:
    """A file whose content was replaced before its transaction was committed."""

    slot: Slot
    number: int
    name: str


class Operator:
    """Does operations in one process.

    Args:
        web: number of the process, part of the names of its files.
        keys: how many rows each model has at most.
    """

    def __init__(self, web: int, keys: int, dice: Random) -> None:
        self.web, self.keys, self.dice = web, keys, dice
        #: Of the operation under way.
        self.written: list[Written] = []
        self._undone = self._late = 0
        #: Whether what is done now will be rolled back.
        self._in_vain = False

    def choose(self, *, late: bool) -> str:
        """Return a kind.

        Args:
            late: whether it is one of the last operations. No later operation hides a lost
                request, so half of these are of the kind that is most likely to lose one.
        """
        if late and self.dice.random() < 0.5:
            return "replace_twice"
        return self.dice.choices(list(KINDS), list(KINDS.values()))[0]

    def run(self, kind: str) -> None:
        self.written = []
        self._in_vain = False
        getattr(self, f"_{kind}")(some_slot(self.dice), self._number())

    def request_again(self) -> None:
        """Request a sync of replaced files, after the transaction that requested it has failed."""
        for written in self.written:
            slot = written.slot
            rows = slot.rows.filter(pk=slot.key(written.number), **{slot.field: written.name})
            rows.update(**{slot.field: written.name})

    # Rows and files.

    def _number(self) -> int:
        # Some rows are changed much more often than others.
        return 1 + int(self.keys * self.dice.random() ** 2)

    def _numbers(self) -> list[int]:
        """Return several, in the order in which everybody locks them."""
        return sorted({self._number() for _ in range(self.dice.randint(2, 5))})

    def _locked(self, slot: Slot, number: int) -> Any:
        return slot.rows.select_for_update().filter(pk=slot.key(number)).first()

    def _content(self, slot: Slot) -> bytes:
        may_be_none = not slot.opens_files and not self.dice.randrange(REFUSED_IN)
        return refused() if may_be_none else picture()

    def _file_name(self, slot: Slot, number: int) -> str:
        if self._in_vain:  # files outlive a rollback, so nothing may have this name
            self._undone += 1
            return f"{slot.field}-{number}-w{self.web}-undone{self._undone}.png"
        name = f"{slot.field}-{number}-w{self.web}-{self.dice.choice(LETTERS)}.png"
        self.written.append(Written(slot, number, f"{slot.folder}/{name}"))
        return name

    def _upload(self, slot: Slot, number: int) -> ContentFile[bytes]:
        return ContentFile(self._content(slot), self._file_name(slot, number))

    def _stored(self, slot: Slot, number: int) -> str:
        """Write a file and return its name, for ``update()`` and the like."""
        file = self._upload(slot, number)
        name: str = default_storage.save(f"{slot.folder}/{file.name}", file)
        return name

    def _built(self, slot: Slot, number: int) -> Any:
        row = slot.model(pk=slot.key(number))
        if isinstance(row, Listing):
            row.published = self.dice.random() < 0.8
        if isinstance(row, Product) and self.dice.random() < 0.5:
            row.shop, _ = Shop.objects.get_or_create(pk=self.dice.randint(1, SHOPS))
        return row

    # Kinds of operations.

    def _create(self, slot: Slot, number: int) -> None:
        with transaction.atomic():
            if self._locked(slot, number) is not None:
                self._assign(slot, number)
                return
            row = self._built(slot, number)
            setattr(row, slot.field, self._upload(slot, number))
            row.save()

    def _build_over(self, _: Slot, number: int) -> None:
        """A row built without looking, in a transaction of its own."""
        row = Product(pk=number, name="built")
        row.photo = self._upload(PRODUCT, number)
        row.save()

    def _replace(self, slot: Slot, number: int) -> None:
        with transaction.atomic():
            row = self._locked(slot, number) or self._built(slot, number)
            name = self._file_name(slot, number)
            getattr(row, slot.field).save(name, ContentFile(self._content(slot)))

    def _assign(self, slot: Slot, number: int) -> None:
        with transaction.atomic():
            if (row := self._locked(slot, number)) is not None:
                setattr(row, slot.field, self._upload(slot, number))
                row.save(update_fields=[slot.field] if self.dice.random() < 0.5 else None)

    def _replace_unlocked(self, slot: Slot, number: int) -> None:
        """In autocommit mode, only the picture's own column."""
        if (row := slot.rows.filter(pk=slot.key(number)).first()) is not None:
            setattr(row, slot.field, self._upload(slot, number))
            row.save(update_fields=[slot.field])

    def _replace_twice(self, slot: Slot, number: int) -> None:
        """Someone changes their mind while the first picture is on its way."""
        self._replace(slot, number)
        time.sleep(self.dice.uniform(0.01, 0.15))
        self._replace(slot, number)

    def _clear(self, slot: Slot, number: int) -> None:
        with transaction.atomic():
            if (row := self._locked(slot, number)) is not None:
                setattr(row, slot.field, "")
                row.save()

    def _delete(self, slot: Slot, number: int) -> None:
        with transaction.atomic():
            if (row := self._locked(slot, number)) is not None:
                row.delete()

    def _delete_many(self, slot: Slot, _: int) -> None:
        slot.rows.filter(pk__in=[slot.key(number) for number in self._numbers()[:2]]).delete()

    def _use_key_again(self, slot: Slot, number: int) -> None:
        self._delete(slot, number)
        with transaction.atomic():
            if self._locked(slot, number) is None:
                row = self._built(slot, number)
                setattr(row, slot.field, self._upload(slot, number))
                row.save()

    def _cascade(self, *_: Any) -> None:
        shop, _made = Shop.objects.get_or_create(pk=self.dice.randint(1, SHOPS))
        shop.delete()

    def _bulk_create(self, slot: Slot, _: int) -> None:
        with transaction.atomic():
            numbers = self._numbers()
            keys = {slot.key(number): number for number in numbers}
            there = set(slot.rows.filter(pk__in=keys).values_list("pk", flat=True))
            rows = []
            for number in (number for key, number in keys.items() if key not in there):
                row = self._built(slot, number)
                setattr(row, slot.field, self._upload(slot, number))
                rows.append(row)
            slot.rows.bulk_create(rows)

    def _upsert(self, slot: Slot, number: int) -> None:
        row = slot.model(pk=slot.key(number))
        setattr(row, slot.field, self._upload(slot, number))
        takes_target = connection.features.supports_update_conflicts_with_target
        slot.rows.bulk_create(
            [row],
            update_conflicts=True,
            update_fields=[slot.field],
            unique_fields=["pk"] if takes_target else None,
        )

    def _bulk_update(self, slot: Slot, _: int) -> None:
        with transaction.atomic():
            numbers = self._numbers()
            keys = {slot.key(number): number for number in numbers}
            rows = list(slot.rows.select_for_update().filter(pk__in=keys).order_by("pk"))
            for row in rows:
                setattr(row, slot.field, self._stored(slot, keys[row.pk]))
            slot.rows.bulk_update(rows, [slot.field])

    def _update(self, slot: Slot, number: int) -> None:
        name = self._stored(slot, number)
        slot.rows.filter(pk=slot.key(number)).update(**{slot.field: name})

    def _late_file(self, slot: Slot, number: int) -> None:
        """A row whose file arrives later, as from a browser that uploads into a bucket itself."""
        if slot.opens_files:
            return
        self._late += 1
        name = f"{slot.folder}/{slot.field}-{number}-w{self.web}-late{self._late}.png"
        if slot.rows.filter(pk=slot.key(number)).update(**{slot.field: name}):
            time.sleep(self.dice.uniform(*LATE))
            default_storage.save(name, ContentFile(picture()))

    def _flip(self, _: Slot, number: int) -> None:
        """The condition of a listing turns, in one of four ways."""
        with transaction.atomic():
            row = self._locked(LISTING, number)
            if row is None:
                return
            row.published = not row.published
            way = self.dice.randrange(4)
            if way == 0:
                row.save()
            elif way == 1:
                row.save(update_fields=["published"])
            elif way == 2:
                Listing.objects.filter(pk=row.pk).update(published=row.published)
            else:
                Listing.objects.bulk_update([row], ["published"])

    def _save_the_rest(self, _: Slot, number: int) -> None:
        """A save that concerns no picture."""
        with transaction.atomic():
            if (row := self._locked(PRODUCT, number)) is not None:
                row.name = f"renamed by {self.web}"
                row.save()

    def _roll_back(self, slot: Slot, number: int) -> None:
        with transaction.atomic():
            self._in_vain = True
            self._create(slot, number)
            if self.dice.random() < 0.5:
                self._delete(slot, number)
            transaction.set_rollback(True)

    def _savepoint(self, slot: Slot, number: int) -> None:
        """Two pictures in one transaction, the second of which is taken back."""
        with transaction.atomic():
            self._create(slot, number)
            with transaction.atomic():
                self._in_vain = True
                self._create(slot, number)
                transaction.set_rollback(True)
            self._in_vain = False


#: Kind → how often it is chosen, relative to the others.
KINDS = {
    "create": 16,
    "build_over": 3,
    "replace": 14,
    "assign": 10,
    "replace_unlocked": 5,
    "replace_twice": 5,
    "clear": 4,
    "delete": 7,
    "delete_many": 2,
    "use_key_again": 4,
    "cascade": 1,
    "bulk_create": 4,
    "upsert": 3,
    "bulk_update": 4,
    "update": 5,
    "late_file": 2,
    "flip": 6,
    "save_the_rest": 2,
    "roll_back": 5,
    "savepoint": 4,
}
