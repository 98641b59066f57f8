"""What a project does with models and QuerySets: each situation is done to both twins.

A situation is a function of a ``Side``. What it returns or raises is compared, and so are rows,
signals and whether the transaction is usable afterwards.
"""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.core import serializers
from django.core.files.base import ContentFile
from django.db import connection, models, transaction
from django.db.models import Count, F, Max, OuterRef, Q, Subquery, Value, Window
from django.db.models.functions import Concat, RowNumber, Upper

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.twins.models import Box


@dataclass(frozen=True)
class Side:
    """One of the twins, with three rows and a child that are there already."""

    item: Any
    child: Any
    line: Any
    #: The name of the relation from a box to its items.
    related: str
    box: Box

    @property
    def rows(self) -> Any:
        return self.item.objects.order_by("pk")

    def first(self) -> Any:
        return self.rows.first()

    def new(self, **values: Any) -> Any:
        return self.item(**{"name": "new", "photo": upload(), **values})

    def in_box(self) -> Any:
        return getattr(self.box, self.related)


SITUATIONS: dict[str, Callable[[Side], Any]] = {}
#: Methods of ``Model`` and ``QuerySet`` that some situation calls.
CALLED: set[str] = set()


def does(*methods: str) -> Callable[[Callable[[Side], Any]], Callable[[Side], Any]]:
    """Register a situation, and say which methods it is about."""

    def register(situation: Callable[[Side], Any]) -> Callable[[Side], Any]:
        SITUATIONS[situation.__name__] = situation
        CALLED.update(methods)
        return situation

    return register


def upload(name: str = "new.jpg") -> ContentFile[bytes]:
    # No picture: a followed save does not look into the file.
    return ContentFile(b"bytes", name)


def shown(row: Any) -> Any:
    """Return what a caller sees of a row."""
    if not isinstance(row, models.Model):
        return row
    return {
        "values": {
            field.attname: str(getattr(row, field.attname)) for field in row._meta.concrete_fields
        },
        "adding": row._state.adding,
        "db": row._state.db,
        "deferred": sorted(row.get_deferred_fields()),
    }


# Saving ------------------------------------------------------------------------------------------


@does("Model.save", "Model.save_base")
def save_a_new_row(side: Side) -> Any:
    row = side.new()
    return row.save(), shown(row)


@does("Model.save")
def save_a_new_row_without_a_picture(side: Side) -> Any:
    row = side.new(photo="")
    return row.save(), shown(row)


@does("Model.save")
def save_with_an_upload_to_that_reads(side: Side) -> Any:
    row = side.new(box_id=side.box.pk)
    return row.save(), shown(row)


@does("Model.save")
def save_a_loaded_row(side: Side) -> Any:
    row = side.first()
    row.name = "renamed"
    return row.save(), shown(row)


@does("Model.save")
def replace_a_picture(side: Side) -> Any:
    row = side.first()
    row.photo = upload("other.jpg")
    return row.save(), shown(row)


@does("Model.save")
def save_through_the_file(side: Side) -> Any:
    row = side.first()
    return row.photo.save("other.jpg", upload()), shown(row)


@does("Model.save")
def delete_the_file(side: Side) -> Any:
    row = side.first()
    return row.photo.delete(), shown(row)


@does("Model.save")
def rename_the_file(side: Side) -> Any:
    row = side.first()
    row.photo.name = "elsewhere.jpg"
    return row.save(), shown(row)


@does("Model.save")
def save_update_fields(side: Side) -> Any:
    row = side.first()
    row.photo, row.name = upload("other.jpg"), "renamed"
    return row.save(update_fields=["photo"]), shown(row)


@does("Model.save")
def save_no_update_fields(side: Side) -> Any:
    return side.first().save(update_fields=[])


@does("Model.save")
def save_unknown_update_fields(side: Side) -> Any:
    return side.first().save(update_fields=["nope"])


@does("Model.save")
def save_update_fields_of_a_new_row(side: Side) -> Any:
    return side.new().save(update_fields=["photo"])


@does("Model.save")
def save_update_fields_of_a_row_that_is_gone(side: Side) -> Any:
    row = side.rows.last()
    side.item.objects.filter(pk=row.pk).delete()
    row.photo = upload("other.jpg")
    return row.save(update_fields=["photo"])


@does("Model.save")
def save_a_row_that_is_gone(side: Side) -> Any:
    row = side.rows.last()
    side.item.objects.filter(pk=row.pk).delete()
    return row.save(), shown(row)


@does("Model.save")
def save_a_deferred_row(side: Side) -> Any:
    row = side.rows.defer("photo").first()
    row.name = "renamed"
    return row.save(), shown(row)


@does("Model.save")
def save_a_deferred_row_with_another_picture(side: Side) -> Any:
    row = side.rows.defer("photo").first()
    row.photo = upload("other.jpg")
    return row.save(), shown(row)


@does("Model.save")
def save_under_a_key_that_is_taken(side: Side) -> Any:
    return side.new(pk=side.first().pk).save(force_insert=True)


@does("Model.save")
def save_over_a_row(side: Side) -> Any:
    row = side.new(pk=side.first().pk)
    return row.save(), shown(row)


@does("Model.save")
def save_under_a_key_of_ones_own(side: Side) -> Any:
    row = side.new(pk=4711)
    return row.save(), shown(row)


@does("Model.save")
def force_update_of_nothing(side: Side) -> Any:
    return side.new(pk=4711).save(force_update=True)


@does("Model.save")
def force_both(side: Side) -> Any:
    return side.new().save(force_insert=True, force_update=True)


@does("Model.save")
def save_a_code_that_is_taken(side: Side) -> Any:
    return side.new(code="a").save()


@does("Model.save")
def clone_by_taking_the_key_away(side: Side) -> Any:
    row = side.first()
    row.pk, row.code = None, "clone"
    return row.save(), shown(row)


@does("Model.save")
def clone_as_the_manual_says(side: Side) -> Any:
    row = side.first()
    row.pk, row.code, row._state.adding = None, "clone", True
    return row.save(), shown(row)


@does("Model.save")
def save_a_related_row_that_is_not_saved(side: Side) -> Any:
    return side.new(box=type(side.box)()).save()


@does("Model.save")
def save_an_expression(side: Side) -> Any:
    row = side.first()
    row.price = F("price") + 1
    row.photo = upload("other.jpg")
    return row.save()


@does("Model.save")
def save_a_value_that_is_none(side: Side) -> Any:
    return side.new(price="many").save()


@does("Model.save")
def save_twice(side: Side) -> Any:
    row = side.new()
    row.save()
    return row.save(), shown(row)


@does("Model.save")
def save_a_copy(side: Side) -> Any:
    row = copy.copy(side.first())
    row.photo = upload("other.jpg")
    return row.save(), shown(row)


@does("Model.save")
def save_a_pickled_row(side: Side) -> Any:
    row = pickle.loads(pickle.dumps(side.first()))
    row.photo = upload("other.jpg")
    return row.save(), shown(row)


@does("Model.asave")
def save_asynchronously(side: Side) -> Any:
    row = side.new()
    return async_to_sync(row.asave)(), shown(row)


@does("Model.save")
def save_a_child(side: Side) -> Any:
    row = side.child(name="child", photo=upload(), extra="x")
    return row.save(), shown(row)


@does("Model.save")
def replace_a_childs_picture(side: Side) -> Any:
    row = side.child.objects.get()
    row.photo = upload("other.jpg")
    return row.save(), shown(row)


@does("Model.save")
def save_the_parent_of_a_child(side: Side) -> Any:
    row = side.item.objects.get(pk=side.child.objects.get().pk)
    row.photo = upload("other.jpg")
    return row.save(), shown(row)


@does("Model.save_base")
def load_a_fixture(side: Side) -> Any:
    row = side.first()
    data = serializers.serialize("json", [row])
    for one in serializers.deserialize("json", data.replace('"code": "a"', '"code": "z"')):
        one.save()
    return shown(side.first())


@does("Model.refresh_from_db", "Model.arefresh_from_db")
def refresh(side: Side) -> Any:
    row = side.first()
    row.photo = upload("other.jpg")
    row.refresh_from_db()
    async_to_sync(row.arefresh_from_db)(fields=["name"])
    return row.save(), shown(row)


@does(
    "Model.full_clean", "Model.clean", "Model.clean_fields", "Model.validate_unique",
    "Model.validate_constraints", "Model.get_constraints", "Model.unique_error_message",
    "Model.date_error_message", "Model.serializable_value", "Model.prepare_database_save",
    "Model.get_deferred_fields", "Model.from_db", "Model.pk", "Model.check",
)  # fmt: skip
def ask_an_instance(side: Side) -> Any:
    row = side.new(code="a")
    try:
        row.full_clean()
    except Exception as error:  # noqa: BLE001 -- compared
        return sorted(error.message_dict), side.first().serializable_value("photo")  # type: ignore[attr-defined]
    return None


# Deleting ----------------------------------------------------------------------------------------


@does("Model.delete")
def delete_a_row(side: Side) -> Any:
    row = side.first()
    return row.delete(), shown(row)


@does("Model.adelete")
def delete_a_row_asynchronously(side: Side) -> Any:
    return async_to_sync(side.first().adelete)()


@does("Model.delete")
def delete_a_row_that_is_not_saved(side: Side) -> Any:
    return side.new().delete()


@does("Model.delete")
def delete_a_row_twice(side: Side) -> Any:
    row, again = side.first(), side.first()
    return row.delete(), again.delete()


@does("Model.delete")
def delete_a_protected_row(side: Side) -> Any:
    side.line.objects.create(item=side.first())
    return side.first().delete()


@does("Model.delete")
def delete_a_child(side: Side) -> Any:
    return side.child.objects.get().delete()


@does("Model.delete")
def delete_a_child_and_keep_its_parent(side: Side) -> Any:
    return side.child.objects.get().delete(keep_parents=True)


@does("Model.delete")
def delete_what_rows_hang_on(side: Side) -> Any:
    return side.box.delete()


@does("QuerySet.delete")
def delete_all(side: Side) -> Any:
    return side.item.objects.all().delete()


@does("QuerySet.delete", "QuerySet.none")
def delete_none(side: Side) -> Any:
    return side.item.objects.none().delete(), side.item.objects.filter(name="nobody").delete()


@does("QuerySet.adelete")
def delete_asynchronously(side: Side) -> Any:
    return async_to_sync(side.item.objects.filter(name="one").adelete)()


@does("QuerySet.delete")
def delete_protected(side: Side) -> Any:
    side.line.objects.create(item=side.first())
    return side.item.objects.all().delete()


@does("QuerySet.delete")
def delete_a_slice(side: Side) -> Any:
    return side.rows[:1].delete()


@does("QuerySet.delete")
def delete_values(side: Side) -> Any:
    return side.rows.values("pk").delete()


@does("QuerySet.delete")
def delete_distinct(side: Side) -> Any:
    return side.item.objects.distinct().delete()


@does("QuerySet.delete")
def delete_distinct_by(side: Side) -> Any:
    return side.item.objects.distinct("name").delete()


@does("QuerySet.delete", "QuerySet.union")
def delete_a_union(side: Side) -> Any:
    return side.item.objects.filter(pk=1).union(side.item.objects.filter(pk=2)).delete()


@does("QuerySet.delete")
def delete_through_a_join(side: Side) -> Any:
    return side.item.objects.filter(box__name="box").delete()


@does("QuerySet.delete")
def delete_through_a_relation(side: Side) -> Any:
    return side.in_box().all().delete()


# Changing many rows ------------------------------------------------------------------------------


@does("QuerySet.update")
def update_a_picture(side: Side) -> Any:
    return side.item.objects.update(photo="elsewhere.jpg")


@does("QuerySet.aupdate")
def update_asynchronously(side: Side) -> Any:
    return async_to_sync(side.item.objects.aupdate)(photo="elsewhere.jpg")


@does("QuerySet.update")
def update_nothing(side: Side) -> Any:
    return side.item.objects.update(), side.item.objects.none().update(photo="elsewhere.jpg")


@does("QuerySet.update")
def update_another_field(side: Side) -> Any:
    return side.item.objects.update(price=F("price") + 1)


@does("QuerySet.update")
def update_by_an_expression(side: Side) -> Any:
    return side.item.objects.update(photo=Concat(Value("moved/"), F("photo")))


@does("QuerySet.update")
def update_by_a_subquery(side: Side) -> Any:
    other = side.item.objects.filter(pk=OuterRef("pk")).values("name")[:1]
    return side.item.objects.update(photo=Subquery(other))


@does("QuerySet.update")
def update_what_the_filter_is_about(side: Side) -> Any:
    return side.item.objects.filter(photo__contains="one").update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.exclude", "QuerySet.complex_filter")
def update_through_a_join(side: Side) -> Any:
    joined = side.item.objects.filter(box__name="box").exclude(tags__name="x")
    return joined.complex_filter(Q(price__gte=0)).update(photo="elsewhere.jpg")


@does("QuerySet.update")
def update_through_a_join_that_repeats_rows(side: Side) -> Any:
    side.first().tags.add(side.box, type(side.box).objects.create(name="another box"))
    return side.item.objects.filter(tags__name__contains="box").update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.annotate")
def update_with_an_aggregate(side: Side) -> Any:
    return side.item.objects.annotate(n=Count("lines")).update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.annotate")
def update_filtered_by_an_aggregate(side: Side) -> Any:
    side.line.objects.create(item=side.first())
    some = side.item.objects.annotate(n=Count("lines")).filter(n=1)
    return some.update(photo="elsewhere.jpg")


@does("QuerySet.update")
def update_filtered_by_a_window(side: Side) -> Any:
    place = Window(RowNumber(), order_by="pk")
    return side.item.objects.annotate(place=place).update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.alias")
def update_with_an_alias(side: Side) -> Any:
    return side.item.objects.alias(up=Upper("name")).filter(up="ONE").update(photo=F("name"))


@does("QuerySet.update")
def update_by_an_aggregate(side: Side) -> Any:
    return side.item.objects.annotate(m=Max("lines__pk")).update(photo=F("m"))


@does("QuerySet.update", "QuerySet.distinct")
def update_distinct(side: Side) -> Any:
    return side.item.objects.distinct().update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.distinct")
def update_distinct_by(side: Side) -> Any:
    side.item.objects.update(name="same")
    return side.item.objects.order_by("name").distinct("name").update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.distinct")
def update_distinct_by_through_a_join(side: Side) -> Any:
    joined = side.item.objects.filter(box__name="box").order_by("name").distinct("name")
    return joined.update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.order_by", "QuerySet.reverse", "QuerySet.ordered")
def update_in_an_order(side: Side) -> Any:
    return side.item.objects.order_by("-name").reverse().update(photo="elsewhere.jpg")


@does("QuerySet.update")
def update_in_an_order_of_an_aggregate(side: Side) -> Any:
    ordered = side.item.objects.annotate(n=Count("lines")).order_by("n")
    return ordered.update(photo="elsewhere.jpg")


@does("QuerySet.update")
def update_a_slice(side: Side) -> Any:
    return side.rows[:1].update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.union", "QuerySet.difference", "QuerySet.intersection")
def update_a_union(side: Side) -> Any:
    return side.item.objects.all().union(side.rows).update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.values", "QuerySet.values_list")
def update_values(side: Side) -> Any:
    one = side.rows.values("name").update(photo="elsewhere.jpg")
    return one, side.rows.values_list("name", flat=True).update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.select_related", "QuerySet.prefetch_related", "QuerySet.only")
def update_what_is_selected(side: Side) -> Any:
    rows = side.rows.select_related("box").prefetch_related("lines").only("name")
    return rows.update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.select_for_update")
def update_what_is_locked(side: Side) -> Any:
    with transaction.atomic():
        return side.rows.select_for_update().update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.extra")
def update_with_extra(side: Side) -> Any:
    return side.item.objects.extra(where=["price = 1"]).update(photo="elsewhere.jpg")


@does("QuerySet.update", "QuerySet.using", "QuerySet.db")
def update_another_database(side: Side) -> Any:
    return side.item.objects.using("other").update(photo="elsewhere.jpg")


@does("QuerySet.update")
def update_an_unknown_field(side: Side) -> Any:
    return side.item.objects.update(photo="elsewhere.jpg", nope=1)


@does("QuerySet.update")
def update_by_an_unknown_field(side: Side) -> Any:
    return side.item.objects.update(photo=F("nope"))


@does("QuerySet.update")
def update_by_a_field_of_a_join(side: Side) -> Any:
    return side.item.objects.update(photo=F("box__name"))


@does("QuerySet.update")
def update_to_a_code_that_is_taken(side: Side) -> Any:
    return side.item.objects.update(code="same", photo="elsewhere.jpg")


@does("QuerySet.update")
def update_to_a_value_that_is_none(side: Side) -> Any:
    return side.item.objects.update(photo="elsewhere.jpg", price="many")


@does("QuerySet.update")
def update_the_key(side: Side) -> Any:
    return side.item.objects.filter(name="three").update(id=4711)


@does("QuerySet.update")
def update_children(side: Side) -> Any:
    return side.child.objects.update(photo="elsewhere.jpg", extra="y")


@does("QuerySet.update")
def update_through_a_relation(side: Side) -> Any:
    return side.in_box().update(photo="elsewhere.jpg")


@does("QuerySet.update")
def update_what_was_fetched(side: Side) -> Any:
    rows = side.item.objects.all()
    before = len(rows)
    return rows.update(photo="elsewhere.jpg"), before, len(rows)


@does("QuerySet.bulk_create", "QuerySet.abulk_create")
def bulk_create(side: Side) -> Any:
    rows = side.item.objects.bulk_create([side.new(), side.new(photo="")])
    more = async_to_sync(side.item.objects.abulk_create)([side.new()])
    return [shown(row)["adding"] for row in (*rows, *more)]


@does("QuerySet.bulk_create")
def bulk_create_an_iterator(side: Side) -> Any:
    rows = side.item.objects.bulk_create(side.new(name=str(n)) for n in range(3))
    return type(rows).__name__, len(rows)


@does("QuerySet.bulk_create")
def bulk_create_nothing(side: Side) -> Any:
    return side.item.objects.bulk_create([]), side.item.objects.bulk_create(())


@does("QuerySet.bulk_create")
def bulk_create_in_batches(side: Side) -> Any:
    return len(side.item.objects.bulk_create([side.new() for _ in range(3)], batch_size=2))


@does("QuerySet.bulk_create")
def bulk_create_in_impossible_batches(side: Side) -> Any:
    return side.item.objects.bulk_create([side.new()], batch_size=-1)


@does("QuerySet.bulk_create")
def bulk_create_what_is_taken(side: Side) -> Any:
    return side.item.objects.bulk_create([side.new(), side.new(code="a")])


@does("QuerySet.bulk_create")
def bulk_create_past_conflicts(side: Side) -> Any:
    rows = [side.new(), side.new(code="a")]
    return len(side.item.objects.bulk_create(rows, ignore_conflicts=True))


@does("QuerySet.bulk_create")
def bulk_create_over_conflicts(side: Side) -> Any:
    rows = side.item.objects.bulk_create(
        [side.new(code="a"), side.new(code="n")],
        update_conflicts=True,
        update_fields=["photo"],
        **unique(["code"]),
    )
    return len(rows)


@does("QuerySet.bulk_create")
def bulk_create_over_conflicts_of_no_field(side: Side) -> Any:
    return side.item.objects.bulk_create([side.new()], update_conflicts=True)


@does("QuerySet.bulk_create")
def bulk_create_over_conflicts_of_an_unknown_field(side: Side) -> Any:
    return side.item.objects.bulk_create(
        [side.new()], update_conflicts=True, update_fields=["nope"], unique_fields=["code"]
    )


@does("QuerySet.bulk_create")
def bulk_create_children(side: Side) -> Any:
    return side.child.objects.bulk_create([side.child(photo=upload())])


@does("QuerySet.bulk_create")
def bulk_create_what_is_no_row(side: Side) -> Any:
    return side.item.objects.bulk_create([None])


@does("QuerySet.bulk_update", "QuerySet.abulk_update")
def bulk_update(side: Side) -> Any:
    rows = list(side.rows)
    for row in rows:
        row.photo = "elsewhere.jpg"
    one = side.item.objects.bulk_update(rows, ["photo"])
    return one, async_to_sync(side.item.objects.abulk_update)(rows, ["photo"], batch_size=2)


@does("QuerySet.bulk_update")
def bulk_update_by_expressions(side: Side) -> Any:
    rows = list(side.rows)
    for row in rows:
        row.photo = Upper("photo")
    return side.item.objects.bulk_update(rows, ["photo"])


@does("QuerySet.bulk_update")
def bulk_update_nothing(side: Side) -> Any:
    return side.item.objects.bulk_update([], ["photo"])


@does("QuerySet.bulk_update")
def bulk_update_no_field(side: Side) -> Any:
    return side.item.objects.bulk_update(list(side.rows), [])


@does("QuerySet.bulk_update")
def bulk_update_an_unknown_field(side: Side) -> Any:
    return side.item.objects.bulk_update(list(side.rows), ["nope"])


@does("QuerySet.bulk_update")
def bulk_update_a_row_that_is_not_saved(side: Side) -> Any:
    return side.item.objects.bulk_update([side.new()], ["photo"])


@does("QuerySet.bulk_update")
def bulk_update_the_key(side: Side) -> Any:
    return side.item.objects.bulk_update(list(side.rows), ["id"])


@does("QuerySet.bulk_update")
def bulk_update_in_impossible_batches(side: Side) -> Any:
    return side.item.objects.bulk_update(list(side.rows), ["photo"], batch_size=-1)


@does("QuerySet.bulk_update")
def bulk_update_to_a_code_that_is_taken(side: Side) -> Any:
    rows = list(side.rows)
    for row in rows:
        row.code = "same"
    return side.item.objects.bulk_update(rows, ["code", "photo"])


@does("QuerySet.bulk_update")
def bulk_update_a_slice(side: Side) -> Any:
    return side.rows[:2].bulk_update(list(side.rows), ["photo"])


# Getting or making -------------------------------------------------------------------------------


@does("QuerySet.create", "QuerySet.acreate")
def create(side: Side) -> Any:
    row = side.item.objects.create(name="made", photo=upload())
    other = async_to_sync(side.item.objects.acreate)(name="made too", photo=upload())
    return shown(row)["adding"], other.name


@does("QuerySet.create")
def create_what_is_taken(side: Side) -> Any:
    return side.item.objects.create(code="a", photo=upload())


@does("QuerySet.create")
def create_of_an_unknown_field(side: Side) -> Any:
    return side.item.objects.create(nope=1)


@does("QuerySet.get_or_create", "QuerySet.aget_or_create")
def get_or_create(side: Side) -> Any:
    made = side.item.objects.get_or_create(code="m", defaults={"photo": upload()})
    there = async_to_sync(side.item.objects.aget_or_create)(code="a", defaults={"photo": "x"})
    return made[1], there[1], shown(there[0])


@does("QuerySet.get_or_create")
def get_or_create_what_is_taken(side: Side) -> Any:
    return side.item.objects.get_or_create(name="nobody", defaults={"code": "a", "photo": upload()})


@does("QuerySet.update_or_create", "QuerySet.aupdate_or_create")
def update_or_create(side: Side) -> Any:
    made = side.item.objects.update_or_create(code="m", defaults={"photo": upload()})
    there = async_to_sync(side.item.objects.aupdate_or_create)(
        code="a", defaults={"photo": upload("other.jpg")}
    )
    return made[1], there[1], shown(there[0])


@does("QuerySet.update_or_create")
def update_or_create_several(side: Side) -> Any:
    return side.item.objects.update_or_create(price=1, defaults={"photo": "x.jpg"})


# Relations ---------------------------------------------------------------------------------------


@does("Model.save")
def add_through_a_relation(side: Side) -> Any:
    related = side.in_box()
    related.add(side.rows.last())
    related.add(side.new(), bulk=False)
    made = related.create(photo=upload())
    return shown(made), related.count()


@does("Model.save")
def add_a_row_that_is_not_saved(side: Side) -> Any:
    return side.in_box().add(side.new())


@does("QuerySet.update")
def set_and_clear_a_relation(side: Side) -> Any:
    related = side.in_box()
    related.set(side.rows)
    counted = related.count()
    related.remove(side.first())
    related.clear()
    return counted, related.count()


@does("QuerySet.delete")
def change_tags(side: Side) -> Any:
    tags = side.first().tags
    tags.add(side.box)
    counted = tags.count()
    tags.set([])
    return counted, tags.count()


# Asking ------------------------------------------------------------------------------------------


@does(
    "QuerySet.count", "QuerySet.exists", "QuerySet.first", "QuerySet.last", "QuerySet.earliest",
    "QuerySet.latest", "QuerySet.aggregate", "QuerySet.in_bulk", "QuerySet.iterator",
    "QuerySet.dates", "QuerySet.datetimes", "QuerySet.contains", "QuerySet.get", "QuerySet.all",
    "QuerySet.filter", "QuerySet.raw", "QuerySet.defer", "QuerySet.explain", "QuerySet.query",
    "QuerySet.resolve_expression", "QuerySet.as_manager",
)  # fmt: skip
def ask(side: Side) -> Any:
    rows, first = side.rows, side.first()
    table = side.item._meta.db_table
    return (
        rows.count(), rows.exists(), shown(rows.last()), shown(rows.earliest("name")),
        shown(rows.latest("name")), rows.aggregate(Max("price")), len(rows.in_bulk()),
        [shown(row) for row in rows.iterator()], list(rows.dates("added", "year")),
        list(rows.datetimes("seen", "year")), rows.contains(first),
        shown(rows.all().filter(added=date(2026, 1, 1)).get(pk=first.pk)),
        shown(rows.raw(f"SELECT * FROM {table} ORDER BY id")[0]), shown(rows.defer("photo")[0]),
        bool(rows.explain()), first == side.first(), hash(first) == hash(first.pk),
        rows.filter(pk__in=rows.filter(name="one")).count(),
    )  # fmt: skip


@does(
    "QuerySet.acount", "QuerySet.aexists", "QuerySet.afirst", "QuerySet.alast",
    "QuerySet.aearliest", "QuerySet.alatest", "QuerySet.aaggregate", "QuerySet.ain_bulk",
    "QuerySet.aiterator", "QuerySet.acontains", "QuerySet.aget", "QuerySet.aexplain",
)  # fmt: skip
def ask_asynchronously(side: Side) -> Any:
    async def asked() -> Any:
        rows = side.rows
        first = await rows.afirst()
        return (
            await rows.acount(), await rows.aexists(), shown(first), shown(await rows.alast()),
            shown(await rows.aearliest("name")), shown(await rows.alatest("name")),
            await rows.aaggregate(Max("price")), len(await rows.ain_bulk()),
            [shown(row) async for row in rows.aiterator()], await rows.acontains(first),
            shown(await rows.aget(pk=first.pk)), bool(await rows.aexplain()),
        )  # fmt: skip

    return async_to_sync(asked)()


@does("QuerySet.get")
def ask_for_what_is_not_there(side: Side) -> Any:
    return side.item.objects.get(pk=4711)


def unique(names: list[str]) -> dict[str, list[str]]:
    """Return the conflict target, where the database takes one."""
    takes_it = connection.features.supports_update_conflicts_with_target
    return {"unique_fields": names} if takes_it else {}
