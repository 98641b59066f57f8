"""``similar_to(kind="similar")`` over the embedded engine: by its own vectors, by a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile
from django.core.management import call_command

from django_visualsnoop.collections import collections
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.collections.results import ImageMatch, SearchResult
from django_visualsnoop.engine.embedding import hash_identity
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.exceptions import UnsupportedSearch
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.search import similar as searching
from django_visualsnoop.sync.worker import sweep
from tests.embeddings import BLUE, GREEN, ORANGE, RED, colour_model, plain
from tests.fixtures import product, record_of
from tests.testapp.models import Article, Product

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import Settings

    from django_visualsnoop.common.search_options import SearchOptions
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
    return [row.name for row in rows.similar_to(what, kind="similar", **options)]


@pytest.mark.usefixtures("seen")
def test_rows_come_in_order_of_their_embeddings() -> None:
    rows = products()
    sweep(using="default")
    assert [row.name for row in Product.objects.similar_to(plain(RED))] == ["red"]
    found: Any = Product.objects.similar_to(plain(RED), kind="similar")
    assert [row.name for row in found] == ["red", "orange", "green", "blue"]
    assert [row.visualsnoop_rank for row in found] == [0, 1835, 13333, 13333]
    assert found[0].visualsnoop_similarity == 1.0
    assert names(rows["red"]) == ["orange", "green", "blue"]
    assert names(plain(RED), limit=2) == ["red", "orange"]
    assert names(plain(RED), min_similarity=0.5) == ["red", "orange"]

    async def awaited() -> list[str]:
        found = await Product.objects.asimilar_to(plain(RED), kind="similar", limit=1)
        return [row.name async for row in found]

    assert async_to_sync(awaited)() == ["red"]


@pytest.mark.usefixtures("seen")
def test_only_rows_that_pass_the_filters_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(searching, "MAX_RANKED", 2)
    rows = products()
    Article.objects.create(cover=ContentFile(plain(RED), "a.png"))  # in the same collection
    sweep(using="default")
    others = Product.objects.exclude(name__in=["red", "orange"])
    assert names(plain(RED), others) == ["green", "blue"]
    with django_assert_num_queries(3):  # the keys, what is new, the rows
        assert names(plain(RED), others) == ["green", "blue"]
    assert names(plain(RED), Product.objects.filter(pk=rows["blue"].pk)) == ["blue"]
    assert names(plain(RED)) == ["red", "orange"]
    assert names(plain(RED), Product.objects.none()) == []


def test_without_a_model_nothing_is_similar() -> None:
    one, two = product(1), product(2)
    sweep(using="default")
    assert list(Product.objects.similar_to(one)) == []
    assert list(Product.objects.similar_to(one, kind="similar")) == []
    assert list(Product.objects.similar_to(two.photo, kind="similar")) == []


def test_an_unknown_kind_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="kind must be 'copies' or 'similar', not 'alike'"):
        Product.objects.similar_to(plain(RED), kind="alike")


def test_a_backend_that_finds_only_copies_refuses_another_kind(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(self: object, image: bytes, options: SearchOptions) -> SearchResult:
        return SearchResult("00000000", [ImageMatch(f"testapp.product.photo:{row.pk}", 4)])

    row = product(1)
    monkeypatch.setattr(RecorderCollection, "search_images", search)
    monkeypatch.setattr(RecorderCollection, "kinds", ("copies",))
    assert list(Product.objects.similar_to(plain(RED))) == [row]
    with pytest.raises(UnsupportedSearch, match="'default' does not support kind='similar'"):
        Product.objects.similar_to(plain(RED), kind="similar")


@pytest.mark.parametrize("restricts", [True, False])
def test_a_backend_is_asked_for_what_passes_if_it_can_tell(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch, restricts: bool
) -> None:
    monkeypatch.setattr(RecorderCollection, "supports_allowed", restricts)
    one, other = product(1), product(1)
    sweep(using="default")
    with one.photo.open() as file:
        content = file.read()
    rows = Product.objects.filter(pk=one.pk)
    assert list(rows.similar_to(content, kind="similar")) == [one]
    arguments = recorder.calls[-1].arguments
    assert arguments["kind"] == "similar"
    assert arguments["allowed"] == ({record_of(one).image_id} if restricts else None)
    assert set(Product.objects.similar_to(content, kind="similar")) == {one, other}


def test_the_sweeper_describes_what_the_new_model_has_not(
    settings: Settings, model: OnnxEmbedding, tmp_path: Path
) -> None:
    rows = products()
    sweep(using="default")
    for embedding in (model, colour_model(tmp_path, "next", weight=2.0)):
        use(settings, embedding)
        assert names(plain(RED)) == []
        # What the collection does not know yet of the row's picture, its file tells.
        assert names(rows["red"]) == []
        assert sweep(using="default", limit=2).in_sync == 2
        assert len(names(plain(RED))) == 2  # those described by now, and none of another model
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
    assert list(Product.objects.similar_to(row)) == [copy]
    use(settings, model)
    call_command("visualsnoop_sync", verbosity=0)
    assert copy in Product.objects.similar_to(row, kind="similar")


@pytest.mark.usefixtures("seen")
def test_duplicates_are_copies_whatever_the_model_says() -> None:
    rows = [product(1), product(1), product(2)]
    sweep(using="default")
    assert [set(group) for group in Product.objects.duplicates()] == [set(rows[:2])]
    assert collections["default"].kinds == ("copies", "similar")
