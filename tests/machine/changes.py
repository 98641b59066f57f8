"""Every way of changing rows that the machine knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from django.core.files.storage import default_storage
from django.db import connection, transaction

from django_visualsnoop.models import SyncRecord
from tests.machine.world import REFUSED, SLOTS, Slot, bytes_of, named_rows, picture, upload
from tests.testapp.models import Article, Document, FeaturedProduct, Listing, Poster, Product, Shop

if TYPE_CHECKING:
    from collections import Counter

#: A field that holds no indexed picture.
OTHER_FIELDS: dict[Any, str] = {
    Product: "name",
    Listing: "title",
    Article: "title",
    Document: "stamp",
}
#: Instances that are kept to be saved later.
MAX_STALE = 6


@dataclass(frozen=True)
class Change:
    kind: str
    slot: Slot = SLOTS[0]
    key: Any = 1
    letter: str = "a"
    number: int = 1
    option: int = 0
    #: In a transaction that will be rolled back: files outlive it, so old ones are left alone.
    undone: bool = False

    @property
    def file_name(self) -> str:
        return self.slot.file_name(self.key, self.letter)

    @property
    def stored_name(self) -> str:
        return self.slot.stored_name(self.key, self.letter)


class Changer:
    """Applies changes, each as a project would, and counts what it came across."""

    def __init__(self, reached: Counter[str]) -> None:
        self.reached = reached
        self.stale: list[Any] = []
        #: Leave out the changes that by promise only an audit finds.
        self.outspoken = False
        self._undone = 0

    def apply(self, change: Change) -> None:
        if self.outspoken and change.kind in SILENT:
            return
        if change.kind not in MAKES_ROWS:
            change = _aimed(change)
        if change.slot.opens_files and change.number == REFUSED:
            change = replace(change, number=1)
        if change.undone:
            self._undone += 1
            change = replace(change, letter=f"undone{self._undone}")
        getattr(self, f"_{change.kind}")(change)
        self.reached[f"change: {change.kind}"] += 1

    def in_transaction(
        self, before: list[Change], inner: list[Change], after: list[Change], *, rollback: bool
    ) -> None:
        """Apply changes, some of them in a savepoint that is rolled back."""
        with transaction.atomic():
            for change in before:
                self.apply(replace(change, undone=rollback))
            if inner:
                with transaction.atomic():
                    for change in inner:
                        self.apply(replace(change, undone=True))
                    transaction.set_rollback(True)
            for change in after:
                self.apply(replace(change, undone=rollback))
            transaction.set_rollback(rollback)

    def _load(self, change: Change) -> Any:
        return change.slot.model._default_manager.filter(pk=change.key).first()

    def _load_or_build(self, change: Change) -> Any:
        return self._load(change) or self._built(change)

    def _built(self, change: Change) -> Any:
        model = change.slot.model
        if model is Product:
            model = (Product, FeaturedProduct, Poster)[change.option % 3]
            if change.option % 2:
                shop, _ = Shop.objects.get_or_create(pk=1)
                return model(pk=change.key, shop=shop)
        if model is Listing:
            return Listing(pk=change.key, published=change.option % 3 > 0)
        return model(pk=change.key)

    def _keep(self, row: Any) -> None:
        self.stale = [*self.stale, row][-MAX_STALE:]

    def _create(self, change: Change) -> None:
        """A row built over whatever has the key."""
        there = self._load(change) is not None
        if not there:
            image_id = change.slot.image_id.format(change.key)
            left = SyncRecord.objects.filter(image_id=image_id, collection=change.slot.alias)
            self.reached["key used again before its delete was followed"] += left.exists()
        row = self._built(change)
        setattr(row, change.slot.field, upload(change.number, change.file_name))
        # Django takes a row whose key has a default for a new one.
        row.save(force_update=there and change.slot.model is Article)
        if change.undone:
            self._keep(row)

    def _replace(self, change: Change) -> None:
        """``FieldFile.save()``, on a storage that overwrites."""
        row = self._load_or_build(change)
        file = getattr(row, change.slot.field)
        file.save(change.file_name, upload(change.number, change.file_name))
        assert file.name == change.stored_name
        if change.undone:
            self._keep(row)

    def _overwrite(self, change: Change) -> None:
        """Other content under the name that the row has already."""
        row = self._load(change)
        if row is None or change.undone:
            return
        if name := getattr(row, change.slot.field).name:
            self.reached["same name, other content"] += bytes_of(name) != picture(change.number)
            name = PurePosixPath(name).name
            getattr(row, change.slot.field).save(name, upload(change.number, name))

    def _assign(self, change: Change) -> None:
        row = self._load_or_build(change)
        existed = not row._state.adding
        setattr(row, change.slot.field, upload(change.number, change.file_name))
        row.save(update_fields=[change.slot.field] if existed and change.option % 2 else None)

    def _assign_name(self, change: Change) -> None:
        if (row := self._load(change)) is not None and self._may_name(change):
            setattr(row, change.slot.field, change.stored_name)
            row.save()

    def _save_other_fields(self, change: Change) -> None:
        """An assignment that ``update_fields`` leaves out, and that a later save writes."""
        if (row := self._load(change)) is not None:
            setattr(row, change.slot.field, upload(change.number, change.file_name))
            row.save(update_fields=[OTHER_FIELDS[change.slot.model]])
            self._keep(row)

    def _clear(self, change: Change) -> None:
        if (row := self._load(change)) is not None:
            null = change.slot.field == "cover" and change.option % 2
            setattr(row, change.slot.field, None if null else "")
            row.save()

    def _delete_file(self, change: Change) -> None:
        row = self._load(change)
        if row is None or change.undone or change.slot.opens_files:
            return
        if file := getattr(row, change.slot.field):
            file.delete()

    def _delete(self, change: Change) -> None:
        if (row := self._load(change)) is not None:
            self._keep(self._load(change))
            row.delete()

    def _delete_all(self, change: Change) -> None:
        change.slot.model._default_manager.all().delete()

    def _cascade(self, change: Change) -> None:
        self.reached["rows that a cascade deleted"] += Product.objects.filter(shop=1).count()
        Shop.objects.filter(pk=1).delete()

    def _update(self, change: Change) -> None:
        if self._may_name(change):
            rows = change.slot.model._default_manager.filter(pk=change.key)
            rows.update(**{change.slot.field: change.stored_name})

    def _update_all(self, change: Change) -> None:
        change.slot.model._default_manager.update(**{change.slot.field: ""})

    def _bulk_create(self, change: Change) -> None:
        model, field = change.slot.model, change.slot.field
        there = set(model._default_manager.values_list("pk", flat=True))
        rows = [model(pk=key) for key in change.slot.keys if key not in there]
        for row in rows:
            name = change.slot.file_name(row.pk, change.letter)
            setattr(row, field, upload(change.number, name))
        model._default_manager.bulk_create(rows)

    def _upsert(self, change: Change) -> None:
        model, field = change.slot.model, change.slot.field
        row = model(pk=change.key)
        setattr(row, field, upload(change.number, change.file_name))
        takes_target = connection.features.supports_update_conflicts_with_target
        model._default_manager.bulk_create(
            [row],
            update_conflicts=True,
            update_fields=[field],
            unique_fields=["pk"] if takes_target else None,
        )

    def _bulk_update(self, change: Change) -> None:
        rows = list(change.slot.model._default_manager.all())
        for row in rows:
            name = change.slot.stored_name(row.pk, change.letter)
            default_storage.save(name, upload(change.number, name))
            setattr(row, change.slot.field, name)
        manager = cast("Any", change.slot.model._default_manager)
        manager.bulk_update(rows, [change.slot.field])

    def _flip(self, change: Change) -> None:
        row = Listing.objects.filter(pk=1 + change.option % 2).first()
        if row is None:
            return
        row.published = not row.published
        way = change.number % 4
        if way == 0:
            row.save()
        elif way == 1:
            row.save(update_fields=["published"])
        elif way == 2:
            Listing.objects.filter(pk=row.pk).update(published=row.published)
        else:
            Listing.objects.bulk_update([row], ["published"])
        self.reached["condition turned"] += bool(row.photo)

    def _lose(self, change: Change) -> None:
        """A file that vanishes, of a row that is looked at again."""
        name = named_rows(change.slot).get(change.key)
        if name is None or change.undone or change.slot.opens_files:
            return
        default_storage.delete(name)
        rows = change.slot.model._default_manager.filter(pk=change.key)
        rows.update(**{change.slot.field: name})

    def _load_stale(self, change: Change) -> None:
        if (row := self._load(change)) is not None:
            self._keep(row)

    def _save_stale(self, change: Change) -> None:
        if not self.stale or change.undone:
            return
        row = self.stale.pop(change.option % len(self.stale))
        if getattr(row, "shop_id", None):
            Shop.objects.get_or_create(pk=1)
        field = next(slot.field for slot in SLOTS if isinstance(row, slot.model))
        now = type(row)._base_manager.filter(pk=row.pk).values_list(field, flat=True).first()
        self.reached["stale instance saved over a newer row"] += (
            now is not None and now != getattr(row, field).name
        )
        self.reached["stale instance brought a deleted row back"] += now is None
        row.save()

    def _change_by_sql(self, change: Change) -> None:
        if self._may_name(change):
            rows = change.slot.model._base_manager.filter(pk=change.key)
            rows.update(**{change.slot.field: change.stored_name})

    def _delete_by_sql(self, change: Change) -> None:
        rows: Any
        if change.slot.model is Product:
            rows = Poster._base_manager.filter(pk=change.key)
            rows._raw_delete("default")
        rows = change.slot.model._base_manager.filter(pk=change.key)
        rows._raw_delete("default")

    def _may_name(self, change: Change) -> bool:
        """Whether Django can load a row with this file's name, be the file there or not."""
        there = default_storage.exists(change.stored_name)
        return there or not change.slot.opens_files


def _aimed(change: Change) -> Change:
    """Return the change for a row that is there, where it would find none."""
    if change.key in named_rows(change.slot):
        return change
    there = [(slot, key) for slot in SLOTS for key in named_rows(slot) if key in slot.keys]
    if not there:
        return change
    slot, key = there[change.option % len(there)]
    return replace(change, slot=slot, key=key)


#: Kinds that leave no request, or may leave none.
SILENT = {"save_stale", "change_by_sql", "delete_by_sql"}
#: Kinds that need no row.
MAKES_ROWS = {"create", "replace", "assign", "bulk_create", "upsert"}
#: How a row changes; the same kind twice comes up twice as often.
KINDS = (
    *("create", "create", "create", "replace", "replace", "overwrite", "overwrite", "overwrite"),
    *(
        "assign",
        "assign",
        "assign_name",
        "save_other_fields",
        "clear",
        "delete_file",
        *["delete"] * 4,
    ),
    *("delete_all", "cascade", "update", "update_all", "bulk_create", "upsert", "bulk_update"),
    *("flip", "flip", "lose", "load_stale", "load_stale", *["save_stale"] * 5),
    *("change_by_sql", "delete_by_sql"),
)
