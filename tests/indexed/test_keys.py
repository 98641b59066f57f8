"""Keys in every spelling that a field takes: one image, under the key that the row has."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.audit import audit
from django_visualsnoop.sync.listing import Category
from django_visualsnoop.sync.listing import Listing as CollectionListing
from django_visualsnoop.testing import sync_now
from tests.fixtures import picture
from tests.testapp.models import Article, Document, Label, Moment, Price, Product, Tag

if TYPE_CHECKING:
    from django.db import models

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])

UUID_TEXT = "6f0a9bd2-6d0c-4e5c-8c1e-1c8f6a1d7f43"
NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


class Code(enum.StrEnum):
    A = "a-1"


class OldCode(str, enum.Enum):  # noqa: UP042 -- its str() differs
    A = "a-1"


SPELLINGS = [
    (Product, 7, 7),
    (Product, 7.0, 7),
    (Product, "008", 8),
    (Product, True, 1),
    (Product, Decimal(9), 9),
    (Article, UUID(UUID_TEXT), UUID(UUID_TEXT)),
    (Article, UUID_TEXT, UUID(UUID_TEXT)),
    (Article, UUID_TEXT.upper(), UUID(UUID_TEXT)),
    (Article, UUID(UUID_TEXT).hex, UUID(UUID_TEXT)),
    (Article, "{" + UUID_TEXT + "}", UUID(UUID_TEXT)),
    (Article, UUID(UUID_TEXT).int, UUID(UUID_TEXT)),
    (Price, "1.5", Decimal("1.50")),
    (Price, 2, Decimal("2.00")),
    (Price, 2.25, Decimal("2.25")),
    (Price, Decimal("3.1"), Decimal("3.10")),
    (Price, Decimal("0.300"), Decimal("0.30")),
    (Label, "ABC", "abc"),
    (Document, Code.A, "a-1"),
    (Document, OldCode.A, "a-1"),
    (Document, 12, "12"),
    (Moment, NOON, NOON),
    (Moment, NOON.astimezone(ZoneInfo("Asia/Tokyo")), NOON),
    (Moment, "2026-03-01T13:00:00+01:00", NOON),
]
IDS = [f"{model.__name__}-{key!r}" for model, key, _ in SPELLINGS]


def field_of(model: type[models.Model]) -> str:
    return indexed_fields(model)[0].name


def held(model: type[models.Model]) -> list[str]:
    """Return the ids in the model's collection."""
    from django_visualsnoop.collections import collections

    collection = collections[indexed_fields(model)[0].collection]
    return sorted(listed.image_id for listed in collection.iter_images())


def expected(model: type[models.Model], key: Any) -> list[str]:
    field = indexed_fields(model)[0]
    return [field.image_id(str(key), "default")]


def check_row(model: type[Any], key: Any) -> None:
    """Look that everything knows the row's one image under its own key."""
    sync_now()
    row = model.objects.get()
    assert row.pk == key
    assert str(row.pk) == str(key)
    assert held(model) == expected(model, key)
    record = SyncRecord.objects.get(model=model._meta.label_lower)
    assert record.state == SyncRecord.State.IN_SYNC
    assert record.object_id == str(key)
    assert record.name == getattr(row, field_of(model)).name
    assert audit(using="default") == 0
    field = indexed_fields(model)[0]
    listed = [
        one
        for batch in CollectionListing(field.collection, using="default").walk(10)
        for one in batch
    ]
    assert [one.category for one in listed] == [Category.WANTED]


@pytest.mark.parametrize(("model", "key", "stored"), SPELLINGS, ids=IDS)
def test_a_row_is_followed_however_its_key_is_spelled(
    recorder: RecorderCollection, model: type[Any], key: Any, stored: Any
) -> None:
    name = field_of(model)
    model.objects.create(pk=key, **{name: picture(1)})
    check_row(model, stored)

    again = model(pk=key, **{name: picture(2)})
    again.save(force_update=True)
    check_row(model, stored)

    model.objects.filter(pk=key).update(**{name: "other.png"})
    assert SyncRecord.objects.get(model=model._meta.label_lower).object_id == str(stored)

    model(pk=key).delete()
    sync_now()
    assert held(model) == []
    assert not SyncRecord.objects.exists()


@pytest.mark.parametrize(("model", "key", "stored"), SPELLINGS, ids=IDS)
def test_bulk_changes_follow_however_keys_are_spelled(
    recorder: RecorderCollection, model: type[Any], key: Any, stored: Any
) -> None:
    name = field_of(model)
    model.objects.bulk_create([model(pk=key, **{name: picture(1)})])
    check_row(model, stored)
    spelled = model(pk=key)
    setattr(spelled, name, model.objects.get().serializable_value(name))
    model.objects.bulk_update([spelled], [name])
    check_row(model, stored)


@pytest.mark.parametrize(("model", "key", "stored"), SPELLINGS, ids=IDS)
def test_a_row_is_not_its_own_copy_however_its_key_is_spelled(
    recorder: RecorderCollection, model: type[Any], key: Any, stored: Any
) -> None:
    name = field_of(model)
    row = model.objects.create(pk=key, **{name: picture(1)})
    other = model.objects.create(pk=_another(stored), **{name: picture(1)})
    sync_now()
    assert list(model.objects.copies_of(row)) == [other]
    found = {
        member.pk
        for group in model.objects.duplicates(of=model.objects.filter(pk=key))
        for member in group
    }
    assert found == {stored, model.objects.exclude(pk=key).get().pk}


def _another(key: Any) -> Any:
    if isinstance(key, str):
        return key + "-other"
    if isinstance(key, UUID):
        return UUID(int=key.int + 1)
    return key + (datetime.timedelta(days=1) if isinstance(key, datetime.datetime) else 1)


@pytest.mark.parametrize("key", ["1.5", Decimal("1.5")])
def test_a_key_that_is_another_rows_is_spelled_as_there(
    recorder: RecorderCollection, key: Any
) -> None:
    Price.objects.create(code="1.5")
    Tag.objects.create(price_id=key, photo=picture(1))
    check_row(Tag, Decimal("1.50"))


def _takes_any_case() -> bool:
    return connection.vendor == "mysql"


@pytest.fixture
def any_case() -> None:
    if not _takes_any_case():
        pytest.skip("text keys differ by case here")


@pytest.mark.usefixtures("any_case")
def test_a_save_under_another_case_changes_the_rows_image(recorder: RecorderCollection) -> None:
    Document.objects.create(code="abc", scan=picture(1))
    check_row(Document, "abc")
    Document(code="ABC", scan=picture(2)).save(force_update=True)
    check_row(Document, "abc")
    spelled = Document(code="aBc", scan="other.png")
    Document.objects.bulk_update([spelled], ["scan"])
    sync_now()
    assert SyncRecord.objects.get().object_id == "abc"
    assert "other.png" in str(SyncRecord.objects.get().reason)


@pytest.mark.usefixtures("any_case")
def test_a_delete_under_another_case_removes_the_rows_image(recorder: RecorderCollection) -> None:
    Document.objects.create(code="abc", scan=picture(1))
    Document.objects.create(code="abcd", scan=picture(2))
    sync_now()
    Document(code="ABC").delete()
    sync_now()
    assert held(Document) == ["scan/abcd"]
    assert SyncRecord.objects.get().object_id == "abcd"


@pytest.mark.usefixtures("any_case")
def test_a_row_under_another_case_is_not_its_own_copy(recorder: RecorderCollection) -> None:
    Document.objects.create(code="abc", scan=picture(1))
    spelled = Document(code="ABC", scan=picture(1))
    spelled.save(force_update=True)
    sync_now()
    assert list(Document.objects.copies_of(spelled)) == []


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Product, "1" * 5000),
        (Product, "007"),
        (Price, "1.5"),
        (Price, "NaN"),
        (Price, "Infinity"),
        (Price, "1e400"),
        (Article, UUID_TEXT.upper()),
        (Article, "nobody"),
        (Label, "ABC"),
        (Moment, "2026-03-01T13:00:00+01:00"),
        (Moment, "yesterday"),
    ],
)
def test_a_text_that_no_row_has_as_its_key_is_no_key(model: type[models.Model], text: str) -> None:
    field = indexed_fields(model)[0]
    assert field.key_from_image_id(field.image_id(text, "default"), "default") is None
