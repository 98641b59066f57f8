"""One request, one operation, the same for the followed model and for the plain one.

In none of these does Django itself read before it writes inside a transaction, so on SQLite a
plain model has no reason to fail.
"""

from __future__ import annotations

import os
import random
import traceback
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DEFAULT_DB_ALIAS, DatabaseError, transaction
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt

from django_visualsnoop.sync.status import statuses

from .models import Category, Item, Note, PlainItem

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

MODELS: dict[str, Any] = {"followed": Item, "plain": PlainItem}
#: Name of rows that no other request takes.
PRIVATE = "private"
PICTURES = sorted(Path(os.environ["STOCK_PICTURES"]).iterdir())


@csrf_exempt
def do(request: HttpRequest, kind: str, operation: str) -> JsonResponse:
    """Do it; the answer says what went wrong, if anything."""
    try:
        OPERATIONS[operation](MODELS[kind])
    except Exception as error:  # noqa: BLE001 -- it is what the client counts
        said = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        return JsonResponse(said, status=500)
    return JsonResponse({})


def show_statuses(request: HttpRequest) -> JsonResponse:
    """Show what ``visualsnoop_status`` prints of each field, without the start of a process."""
    return JsonResponse({"fields": [asdict(status) for status in statuses(DEFAULT_DB_ALIAS)]})


def upload() -> ContentFile[bytes]:
    picture = random.choice(PICTURES)
    return ContentFile(picture.read_bytes(), f"{uuid.uuid4().hex[:12]}{picture.suffix}")


def new(model: Any, category: Category | None = None) -> Any:
    """Return a row that is not saved; its category is known by its key only, if none is given."""
    key = {"category": category} if category else {"category_id": a_category().pk}
    return model(name="new", photo=upload(), **key)


def a_category() -> Category:
    return random.choice(Category.objects.exclude(slug="passing"))


def some(model: Any, count: int = 1) -> list[Any]:
    """Return some rows that are there, at this moment, and that others may change as well."""
    rows = model.objects.exclude(name=PRIVATE).order_by("-pk")
    keys = list(rows.values_list("pk", flat=True)[:400])
    return list(model.objects.filter(pk__in=random.sample(keys, min(count, len(keys)))))


def stored() -> str:
    """Store a file without a row, as an import does, and return its name."""
    file = upload()
    return default_storage.save(f"imported/{file.name}", file)


def save(model: Any) -> None:
    new(model).save()


def save_in_atomic(model: Any) -> None:
    with transaction.atomic():
        Note.objects.create(text="An item comes.")
        new(model).save()


def get_or_create(model: Any) -> None:
    fields = {"category": a_category(), "photo": upload()}
    model.objects.get_or_create(name=uuid.uuid4().hex, defaults=fields)


def bulk_create(model: Any) -> None:
    category = a_category()
    model.objects.bulk_create([new(model, category) for _ in range(3)])


def save_other_field(model: Any) -> None:
    """A stale row that is saved whole would write an old file name back, which only audits see."""
    for row in some(model):
        row.name = "renamed"
        try:
            row.save(update_fields=["name"])
        except DatabaseError as error:
            if "did not affect any rows" not in str(error):  # it is gone meanwhile
                raise


def save_again_and_delete(model: Any) -> None:
    row = new(model)
    row.name = PRIVATE
    row.save()
    row.category = a_category()
    row.save()
    row.delete()


def replace(model: Any) -> None:
    for row in some(model):
        row.photo = upload()
        row.save()


def replace_by_file(model: Any) -> None:
    for row in some(model):
        file = upload()
        row.photo.save(file.name, file)


def replace_in_atomic(model: Any) -> None:
    rows = some(model)
    with transaction.atomic():
        Note.objects.create(text="A picture changes.")
        for row in rows:
            row.photo = upload()
            row.save()


def update(model: Any) -> None:
    for row in some(model):
        model.objects.filter(pk=row.pk).update(photo=stored())


def update_other_field(model: Any) -> None:
    for row in some(model):
        model.objects.filter(pk=row.pk).update(name="updated")


def bulk_update(model: Any) -> None:
    rows = some(model, 2)
    for row in rows:
        row.photo = stored()
    model.objects.bulk_update(rows, ["photo"])


def delete(model: Any) -> None:
    for row in some(model, 2):
        row.delete()


def queryset_delete(model: Any) -> None:
    """As the admin's "delete selected" does."""
    model.objects.filter(pk__in=[row.pk for row in some(model, 3)]).delete()


def delete_by_cascade(model: Any) -> None:
    category = Category.objects.create(slug="passing")
    for _ in range(2):
        model.objects.create(name=PRIVATE, category=category, photo=upload())
    category.delete()


def search_by_row(model: Any) -> None:
    for row in some(model):
        if model is Item:
            list(model.objects.copies_of(row, limit=5))


def search_by_upload(model: Any) -> None:
    if model is Item:
        list(model.objects.copies_of(random.choice(PICTURES).read_bytes(), limit=5))
    else:
        some(model, 5)


OPERATIONS: dict[str, Callable[[Any], None]] = {
    operation.__name__: operation
    for operation in (
        *(save, save_in_atomic, get_or_create, bulk_create, save_other_field),
        save_again_and_delete,
        *(replace, replace_by_file, replace_in_atomic),
        *(update, update_other_field, bulk_update),
        *(delete, queryset_delete, delete_by_cascade, search_by_row, search_by_upload),
    )
}
