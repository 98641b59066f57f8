"""The integration over the embedded engine: found, and at what cost."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile
from PIL import Image

from django_visualsnoop.client.exceptions import NotFoundError
from django_visualsnoop.sync.worker import sweep
from tests.collections.contract import image
from tests.fixtures import grow_old, picture, product, record_of
from tests.testapp.models import Article, Product

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.usefixtures("media")


def copies(count: int) -> list[Product]:
    """Save scene 1 ``count`` times, each time encoded with another quality."""
    with Image.open(io.BytesIO(image(1))) as scene:
        rows = []
        for number in range(count):
            written = io.BytesIO()
            scene.convert("RGB").save(written, "JPEG", quality=60 + number % 35)
            rows.append(Product(photo=ContentFile(written.getvalue(), f"copy{number}.jpg")))
    return Product.objects.bulk_create(rows)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("count", [1, 20, 200])
def test_a_search_costs_few_queries_whatever_it_finds(
    count: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    original = product(1)
    copies(count)
    product(2)
    sweep(using="default")
    # The first search after a change, and the next, which finds nothing new to read.
    with django_assert_max_num_queries(6):
        assert len(Product.objects.copies_of(original, limit=200)) == count
    with django_assert_max_num_queries(5):
        assert len(Product.objects.copies_of(original, limit=200)) == count
    with django_assert_max_num_queries(6):
        found = Product.objects.filter(active=True).copies_of(image(1), limit=200)
        assert len(found) == min(count + 1, 200)


@pytest.mark.django_db
def test_a_search_inside_a_transaction_sees_its_own_writes(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    original = product(1)
    copies(3)
    sweep(using="default")
    with django_assert_max_num_queries(5):
        assert len(Product.objects.copies_of(original)) == 3


@pytest.mark.django_db
def test_groups_of_copies() -> None:
    original, other = product(1), product(2)
    found = copies(3)
    sweep(using="default")
    (group,) = Product.objects.duplicates()
    assert {row.pk for row in group} == {original.pk, *(row.pk for row in found)}
    assert other not in group
    assert group.similarity is not None
    assert group.similarity > 0.9


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"This is a text.", {"unsupported"}, "format is not supported"),
        (b"", {"empty"}, "empty"),
        (image(1)[: len(image(1)) // 2], {"undecodable"}, ""),
    ],
)
def test_bytes_that_are_no_picture_leave_a_reason(
    content: bytes, code: set[str], words: str
) -> None:
    row = Product.objects.create(photo=ContentFile(content, "upload.png"))
    grow_old()
    sweep(using="default")
    record = record_of(row)
    assert record.reason_code in code
    assert words in record.reason
    assert record.due_at is None


@pytest.mark.django_db
def test_where_one_picture_lies_in_others(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    original, other = product(1), product(2)
    with Image.open(io.BytesIO(image(1))) as scene:
        width, height = scene.size
        left = io.BytesIO()
        scene.convert("RGB").crop((0, 0, width // 2, height)).save(left, "PNG")
    part = Product.objects.create(photo=ContentFile(left.getvalue(), "left.png"))
    sweep(using="default")
    found = Product.objects.copies_of(original)
    assert [row.pk for row in found] == [part.pk]
    with django_assert_num_queries(1):
        (where,) = found.placements(original).values()
    assert tuple(where.part_of_first) == pytest.approx((0, 0, 0.5, 1), abs=0.05)
    assert not where.mirrored
    rows = Product.objects.filter(pk__in=[other.pk, part.pk])
    assert rows.placements(original) == {part.pk: where}
    with pytest.raises(NotFoundError):
        Product.objects.placements(Product(pk=0), field="photo")


@pytest.mark.django_db
def test_where_it_lies_in_the_field_that_has_a_picture() -> None:
    one, other = (Article.objects.create(thumbnail=picture(1)) for _ in range(2))
    sweep(using="default")
    (where,) = Article.objects.exclude(pk=one.pk).placements(one).items()
    assert where[0] == other.pk
    assert where[1].part_of_second.area > 0.95
