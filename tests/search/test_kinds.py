"""``similar_to()`` over the embedded engine: copies first, then by a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile
from django.core.management import call_command

from django_visualsnoop.engine.embedding import hash_identity
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.worker import sweep
from tests.embeddings import BLUE, GREEN, ORANGE, RED, colour_model, plain
from tests.fixtures import product, record_of
from tests.testapp.models import Article, Product

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import Settings

    from django_visualsnoop.engine.onnx import OnnxEmbedding

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]

COLOURS = {"red": RED, "orange": ORANGE, "green": GREEN, "blue": BLUE}


@pytest.fixture
def model(tmp_path: Path) -> OnnxEmbedding:
    return colour_model(tmp_path)


def use(settings: Settings, embedding: object) -> None:
    settings.VISUALSNOOP = {
        alias: {"NAME": alias, "OPTIONS": {"embedding": embedding}}
        for alias in ("default", "archive")
    }


@pytest.fixture
def seen(settings: Settings, model: OnnxEmbedding) -> OnnxEmbedding:
    """The model, in use."""
    use(settings, model)
    return model


def products(**kwargs: Any) -> dict[str, Product]:
    return {
        name: Product.objects.create(
            name=name, photo=ContentFile(plain(colour), f"{name}.png"), **kwargs
        )
        for name, colour in COLOURS.items()
    }


def names(what: Any, queryset: Any = None, **options: Any) -> list[str]:
    rows = Product.objects.all() if queryset is None else queryset
    return [row.name for row in rows.similar_to(what, **options)]


@pytest.mark.usefixtures("seen")
def test_rows_come_in_order_of_their_embeddings() -> None:
    rows = products()
    sweep(using="default")
    assert [row.name for row in Product.objects.copies_of(plain(RED))] == ["red"]
    found: Any = Product.objects.similar_to(plain(RED))
    assert [row.name for row in found] == ["red", "orange", "green", "blue"]
    assert [row.visualsnoop_rank for row in found] == [0, 4835, 16333, 16333]
    assert found[0].visualsnoop_similarity == pytest.approx(1.0)
    assert names(rows["red"]) == ["orange", "green", "blue"]
    assert names(plain(RED), limit=2) == ["red", "orange"]
    assert names(plain(RED), min_similarity=0.5) == ["red", "orange"]

    async def awaited() -> list[str]:
        found = await Product.objects.asimilar_to(plain(RED), limit=1)
        return [row.name async for row in found]

    assert async_to_sync(awaited)() == ["red"]


@pytest.mark.usefixtures("seen")
def test_filters_cost_one_query_for_each_portion(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    rows = products()
    Article.objects.create(cover=ContentFile(plain(RED), "a.png"))  # in the same collection
    sweep(using="default")
    others = Product.objects.exclude(name__in=["red", "orange"])
    assert names(plain(RED), others) == ["green", "blue"]
    with django_assert_num_queries(4):  # what is new, twice; the candidates; the rows
        assert names(plain(RED), others) == ["green", "blue"]
    with django_assert_num_queries(5):  # and which of the four pass
        assert names(plain(RED), others, limit=1) == ["green"]
    assert names(plain(RED), Product.objects.filter(pk=rows["blue"].pk)) == ["blue"]
    assert names(plain(RED)) == ["red", "orange", "green", "blue"]
    assert names(plain(RED), Product.objects.none()) == []


def test_without_a_model_only_copies_are_similar(settings: Settings) -> None:
    use(settings, None)
    one, copy, _other = product(1), product(1), product(2)
    sweep(using="default")
    assert list(Product.objects.similar_to(one)) == [copy]


def test_the_sweeper_describes_what_the_new_model_has_not(
    settings: Settings, model: OnnxEmbedding, tmp_path: Path
) -> None:
    rows = products()
    sweep(using="default")
    for embedding in (model, colour_model(tmp_path, "next", weight=2.0)):
        use(settings, embedding)
        assert names(plain(RED)) == ["red"]  # a copy
        # What the collection does not know yet of the row's picture, its file tells.
        assert names(rows["red"]) == []
        assert sweep(using="default", limit=2).in_sync == 2
        # Those described by now, and none of another model.
        described = IndexedImage.objects.filter(embedding_model=hash_identity(embedding))
        keys = [int(one.rpartition(":")[2]) for one in described.values_list("image_id", flat=True)]
        assert set(names(plain(RED))) == {"red", *(r.name for r in rows.values() if r.pk in keys)}
        while sweep(using="default").in_sync:
            pass
        assert names(plain(RED)) == ["red", "orange", "green", "blue"]
        assert set(IndexedImage.objects.values_list("embedding_model", flat=True)) == {
            hash_identity(embedding)
        }
        assert sweep(using="default").worked_on == 0
    assert all(record_of(row).state == SyncRecord.State.IN_SYNC for row in rows.values())


def test_the_command_describes_all_at_once(settings: Settings, model: OnnxEmbedding) -> None:
    products()
    sweep(using="default")
    use(settings, model)
    call_command("visualsnoop_reindex", "testapp.Product", verbosity=0)
    assert names(plain(RED)) == ["red", "orange", "green", "blue"]


def test_a_model_that_cannot_be_used_keeps_nothing_from_being_found_as_a_copy(
    settings: Settings, model: OnnxEmbedding, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use(settings, colour_model(tmp_path, "gone"))
    (tmp_path / "gone.onnx").unlink()
    row, copy = product(1), product(1)
    sweep(using="default")
    assert "gone.onnx cannot be read" in caplog.text
    assert record_of(row).state == SyncRecord.State.IN_SYNC
    assert list(Product.objects.copies_of(row)) == [copy]
    use(settings, model)
    call_command("visualsnoop_sync", verbosity=0)
    assert copy in Product.objects.similar_to(row)


@pytest.mark.usefixtures("seen")
def test_duplicates_are_copies_whatever_the_model_says() -> None:
    rows = [product(1), product(1), product(2)]
    sweep(using="default")
    assert [set(group) for group in Product.objects.duplicates()] == [set(rows[:2])]
