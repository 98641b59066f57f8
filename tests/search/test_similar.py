"""``copies_of()``: which rows, in which order, at what cost."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import QuerySet
from PIL import Image

from django_visualsnoop.client.exceptions import TransportError
from django_visualsnoop.collections import collections
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.collections.results import ImageMatch, SearchResult
from django_visualsnoop.engine.hits import DEFAULT_LIMIT
from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.search import similar as searching
from django_visualsnoop.sync.worker import sweep
from tests.collections.contract import image
from tests.fixtures import picture, product
from tests.testapp.models import (
    Article,
    Document,
    FeaturedProduct,
    Listing,
    Poster,
    Product,
    Shop,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


@pytest.fixture
def scripted(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, int, float]]:
    """A collection that finds what the test says: image id, rank, similarity."""
    answers: list[tuple[str, int, float]] = []

    def found(self: object, *args: object, **kwargs: object) -> SearchResult:
        return SearchResult("00000000", [ImageMatch(*answer) for answer in answers])

    monkeypatch.setattr(RecorderCollection, "search_images", found)
    monkeypatch.setattr(RecorderCollection, "search_images_by_id", found)
    return answers


def bare(count: int, **kwargs: Any) -> list[Product]:
    """Rows of which the collection only needs to know the ids."""
    return Product.objects.bulk_create(
        [Product(photo=f"products/{number}.png", **kwargs) for number in range(count)]
    )


def found_id(row: Product) -> str:
    return f"testapp.product.photo:{row.pk}"


def test_rows_come_in_order_with_rank_and_similarity(
    scripted: list[tuple[str, int, float]],
) -> None:
    first, second, third = bare(3)
    scripted += [(found_id(third), 0, 1.0), (found_id(first), 3, 0.9), (found_id(second), 7, 0.25)]
    rows = Product.objects.copies_of(image(1))
    assert isinstance(rows, QuerySet)
    assert [(row.pk, row.visualsnoop_rank, row.visualsnoop_similarity) for row in rows] == [
        (third.pk, 0, 1.0),
        (first.pk, 3, 0.9),
        (second.pk, 7, 0.25),
    ]


def test_the_limit_counts_rows_that_pass_the_filters(
    scripted: list[tuple[str, int, float]],
) -> None:
    rows = bare(40)
    for row in rows[::2]:
        row.active = False
    Product.objects.bulk_update(rows, ["active"])
    scripted += [(found_id(row), rank, 0.5) for rank, row in enumerate(rows)]
    expected = [row.pk for row in rows[1::2][:12]]
    before = Product.objects.filter(active=True).copies_of(image(1), limit=12)
    after = Product.objects.copies_of(image(1), limit=12).filter(active=True)
    assert [row.pk for row in before] == expected
    assert [row.pk for row in after] == expected
    assert before.count() == len(before) == 12
    assert before.exists()


def test_filters_choose_among_more_matches_than_the_engine_gives_unasked() -> None:
    rows = sorted(bare(DEFAULT_LIMIT + 12, active=False), key=found_id)
    # Equal pictures are ordered by their ids: those of the last rows come last.
    Product.objects.filter(pk__in=[row.pk for row in rows[-12:]]).update(active=True)
    list(collections["default"].add_images((found_id(row), image(1)) for row in rows))
    assert len(Product.objects.filter(active=True).copies_of(image(1), limit=12)) == 12


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "1", "CMYK", "YCbCr", "LAB", "HSV"])
def test_a_pil_image_may_have_a_mode_that_png_has_not(
    recorder: RecorderCollection, mode: str
) -> None:
    Product.objects.copies_of(Image.new(mode, (9, 7)))
    content = recorder.calls[-1].content
    assert content is not None
    with Image.open(io.BytesIO(content)) as sent:
        assert sent.size == (9, 7)
        assert sent.mode in (mode, "RGB")


def test_it_is_an_ordinary_queryset(scripted: list[tuple[str, int, float]]) -> None:
    shop = Shop.objects.create(name="corner")
    rows = bare(10, shop=shop)
    scripted += [(found_id(row), rank, 0.5) for rank, row in enumerate(reversed(rows))]
    found = Product.objects.copies_of(image(1), limit=5)
    order = [row.pk for row in reversed(rows)]
    assert [row.pk for row in found.select_related("shop")] == order[:5]
    assert [row.pk for row in found.exclude(pk=order[0])] == order[1:6]
    assert [row.pk for row in found[1:3]] == order[1:3]
    annotated: Any = found  # the stubs know the model's own fields
    pairs = annotated.values_list("pk", "visualsnoop_rank")[:2]
    assert list(pairs) == [(order[0], 0), (order[1], 1)]
    assert annotated.filter(visualsnoop_rank__lte=1).count() == 2
    assert found.first() == rows[-1]
    assert found.reverse()[0].pk == order[4]
    assert found.order_by("pk").first() is not None
    assert Product.objects.filter(pk__in=found.values("pk")).count() == 5
    assert shop.products.copies_of(image(1), limit=3).count() == 3
    assert found.update(name="found") == 5
    assert Product.objects.filter(name="found").count() == 5
    found.delete()
    assert {row.pk for row in Product.objects.all()} == set(order[5:])


@pytest.mark.parametrize("count", [1, 20, 200])
def test_a_search_costs_one_query_whatever_it_finds(
    scripted: list[tuple[str, int, float]],
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    rows = bare(count + 1)
    scripted += [(found_id(row), rank, 0.5) for rank, row in enumerate(rows[1:])]
    with django_assert_num_queries(1):
        assert len(Product.objects.copies_of(rows[0], limit=200)) == count


def test_stale_and_foreign_ids_do_not_eat_the_limit(scripted: list[tuple[str, int, float]]) -> None:
    (row,) = bare(1)
    scripted += [
        ("testapp.product.photo:999999", 0, 1.0),
        ("testapp.product.photo:x", 0, 1.0),
        ("somebody else's", 0, 1.0),
        (found_id(row), 1, 0.9),
    ]
    assert list(Product.objects.copies_of(image(1), limit=1)) == [row]


def test_a_row_with_two_pictures_is_found_once_by_its_closest(
    scripted: list[tuple[str, int, float]],
) -> None:
    row = Article.objects.create(cover=picture(1), thumbnail=picture(2))
    scripted += [
        (f"testapp.article.thumbnail:{row.pk}", 2, 0.8),
        (f"testapp.article.cover:{row.pk}", 5, 0.5),
    ]
    (found,) = Article.objects.copies_of(image(1))
    assert found.visualsnoop_rank == 2
    (found,) = Article.objects.copies_of(image(1), field="cover")
    assert found.visualsnoop_rank == 5


def test_an_unknown_field_names_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"does not index a field 'stamp'\. Indexed fields: 'scan'"
    ):
        Document.objects.copies_of(image(1), field="stamp")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"limit": 0}, "limit must be at least 1, not 0"),
        ({"min_similarity": 1.5}, "min_similarity must be between 0 and 1, not 1.5"),
    ],
)
def test_arguments_out_of_range_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Product.objects.copies_of(image(1), **kwargs)


def test_whatever_is_a_picture_can_be_looked_for(
    recorder: RecorderCollection, tmp_path: Path
) -> None:
    row = product(1)
    sweep(using="default")
    path = tmp_path / "scene.png"
    path.write_bytes(image(1))
    unsaved = Product(photo=picture(1))
    for what in (
        image(1),
        path,
        str(path),
        io.BytesIO(image(1)),
        SimpleUploadedFile("scene.png", image(1)),
        unsaved,
        unsaved.photo,
    ):
        assert list(Product.objects.copies_of(what)) == [row], what


def test_a_pil_image_can_be_looked_for(recorder: RecorderCollection) -> None:
    row = product(1)
    with Image.open(io.BytesIO(image(1))) as scene:
        written = io.BytesIO()
        scene.save(written, "PNG")
        recorder.add_image(written.getvalue(), found_id(row))
        assert list(Product.objects.copies_of(scene)) == [row]


def test_an_upload_can_still_be_saved_after_the_search(recorder: RecorderCollection) -> None:
    upload = SimpleUploadedFile("scene.png", image(1))
    Product.objects.copies_of(upload)
    row = Product.objects.create(photo=upload)
    with row.photo.open() as saved:
        assert saved.read() == image(1)


def test_an_indexed_instance_is_looked_for_by_its_id_and_left_out(
    recorder: RecorderCollection,
) -> None:
    row, copy = product(1), product(1)
    sweep(using="default")
    assert list(Product.objects.copies_of(row)) == [copy]
    assert recorder.calls[-1].method == "search_images_by_id"


def test_an_instance_that_is_not_indexed_is_looked_for_by_its_file_and_left_out(
    recorder: RecorderCollection,
) -> None:
    copy = product(1)
    sweep(using="default")
    row = product(1)
    assert list(Product.objects.copies_of(row)) == [copy]
    assert list(Product.objects.copies_of(row.photo)) == [copy]
    sweep(using="default")
    assert list(Product.objects.copies_of(row.photo)) == [copy]


def test_an_instance_with_a_new_picture_is_looked_for_by_the_new_one(
    recorder: RecorderCollection,
) -> None:
    row, other = product(1), product(2)
    sweep(using="default")
    row = Product.objects.get(pk=row.pk)
    row.photo = picture(2)
    assert list(Product.objects.copies_of(row)) == [other]


def test_nothing_is_similar_to_no_picture(recorder: RecorderCollection) -> None:
    product(1)
    row = Product.objects.create(name="no picture")
    calls = len(recorder.calls)
    assert list(Product.objects.copies_of(row)) == []
    assert Product.objects.copies_of(row.photo).count() == 0
    assert len(recorder.calls) == calls


@pytest.mark.parametrize("what", [42, None, object()])
def test_what_is_no_picture_is_refused(recorder: RecorderCollection, what: Any) -> None:
    with pytest.raises(TypeError, match=type(what).__name__):
        Product.objects.copies_of(what)


def test_an_instance_of_a_model_that_is_not_indexed_says_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"testapp.Shop is not indexed"):
        Product.objects.copies_of(Shop(name="corner"))


def test_a_search_in_another_collection_takes_the_file(recorder: RecorderCollection) -> None:
    row = product(1)
    scan = Document.objects.create(code="A-1", scan=picture(1))
    sweep(using="default")
    assert list(Document.objects.copies_of(row)) == [scan]
    assert list(Product.objects.copies_of(scan)) == [row]


def test_children_and_proxies_find_their_rows(recorder: RecorderCollection) -> None:
    poster = Poster.objects.create(photo=picture(1))
    plain = product(1)
    sweep(using="default")
    assert list(Poster.objects.copies_of(plain)) == [poster]
    assert {row.pk for row in FeaturedProduct.objects.copies_of(image(1))} == {poster.pk, plain.pk}
    assert list(Product.objects.copies_of(poster)) == [plain]
    assert list(Poster.objects.copies_of(Product.objects.get(pk=poster.pk))) == []


@pytest.mark.django_db(databases=["default", "other"])
def test_rows_come_from_the_database_that_is_asked(recorder: RecorderCollection) -> None:
    row = Product.objects.using("other").create(photo=picture(1))
    sweep(using="other")
    assert list(Product.objects.using("other").copies_of(image(1))) == [row]
    assert list(Product.objects.copies_of(image(1))) == []


def test_a_collection_that_is_down_says_so_at_the_call(recorder: RecorderCollection) -> None:
    recorder.fail_with(TransportError("connection refused"))
    with pytest.raises(TransportError, match="connection refused"):
        Product.objects.copies_of(image(1))


def test_it_can_be_awaited(recorder: RecorderCollection) -> None:
    row = product(1)
    sweep(using="default")

    async def found() -> list[Product]:
        return [row async for row in await Product.objects.acopies_of(image(1))]

    assert async_to_sync(found)() == [row]


def test_a_remote_collection_without_similarity_leaves_it_empty(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = bare(1)
    monkeypatch.setattr(
        RecorderCollection,
        "search_images",
        lambda *args, **kwargs: SearchResult("00000000", [ImageMatch(found_id(row), 4)]),
    )
    found = cast("Any", Product.objects.copies_of(image(1)).get())
    assert (found.visualsnoop_rank, found.visualsnoop_similarity) == (4, None)


def test_collections_are_made_once_per_thread(recorder: RecorderCollection) -> None:
    assert collections["default"] is collections["default"]


@pytest.mark.parametrize("searched", [Product, Poster, FeaturedProduct])
@pytest.mark.parametrize("asked", [Product, Poster, FeaturedProduct])
def test_a_parents_or_childs_row_is_not_in_its_own_results(
    recorder: RecorderCollection, asked: type[Product], searched: type[Product]
) -> None:
    poster, other = (Poster.objects.create(photo=picture(1)) for _ in range(2))
    sweep(using="default")
    row = asked.objects.get(pk=poster.pk)
    assert [found.pk for found in searched.objects.copies_of(row)] == [other.pk]
    # By its bytes the row itself is found, too, and has to be left out.
    row.photo = picture(1)
    assert [found.pk for found in searched.objects.copies_of(row)] == [other.pk]
    assert [found.pk for found in searched.objects.copies_of(row.photo)] == [other.pk]


def test_a_row_of_another_model_with_the_same_key_is_found(recorder: RecorderCollection) -> None:
    row = product(1)
    listing = Listing.objects.create(pk=row.pk, photo=picture(1))
    sweep(using="default")
    assert list(Product.objects.copies_of(listing)) == [row]


def test_a_parents_row_is_its_childs_where_the_child_declares_the_field() -> None:
    poster = Poster.objects.create()
    of_the_child = replace(indexed_field(Product, "photo"), owner=Poster)
    for row in (poster, Product.objects.get()):
        assert searching._Query(row, None).own_keys(of_the_child) == {poster.pk}
    assert searching._Query(Listing(pk=poster.pk), None).own_keys(of_the_child) == frozenset()
