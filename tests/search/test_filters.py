"""Filters around a search: the same rows as ranking everything and filtering in Python."""

from __future__ import annotations

import pickle
import random
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.db import NotSupportedError, connection
from django.db.models import Count, Exists, F, Max, OuterRef, Q, Window
from django.db.models.functions import RowNumber
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.collections.results import ImageMatch
from django_visualsnoop.search import ranking
from django_visualsnoop.search.similar import MAX_LIMIT
from tests.collections.contract import image
from tests.testapp.models import Product, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_django import DjangoAssertNumQueries

    from django_visualsnoop.common.search_options import SearchOptions

pytestmark = pytest.mark.django_db


class Ranked:
    """What the collection ranks: a test sets the rows, and sees how many were read."""

    def __init__(self) -> None:
        self.rows: Sequence[Product] = ()
        #: Portions, by their sizes; the last one repeats.
        self.sizes = [7]
        self.read = 0
        #: What else it knows of each match.
        self.known: dict[str, Any] = {}

    def iterate(self) -> Iterator[list[ImageMatch]]:
        start = number = 0
        while start < len(self.rows):
            size = self.sizes[min(number, len(self.sizes) - 1)]
            portion = self.rows[start : start + size]
            self.read += len(portion)
            yield [
                ImageMatch(
                    f"testapp.product.photo:{row.pk}",
                    start + place,
                    1 - (start + place) / len(self.rows),
                    **self.known,
                )
                for place, row in enumerate(portion)
            ]
            start, number = start + size, number + 1

    def similarity(self, row: Product) -> float:
        return 1 - self.rows.index(row) / (len(self.rows) or 1)


@pytest.fixture
def ranked(recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch) -> Ranked:
    found = Ranked()

    def iterate(self: object, image: object, options: SearchOptions) -> Iterator[list[ImageMatch]]:
        least = options.min_similarity or 0.0
        return (
            [match for match in portion if (match.similarity or 0.0) >= least]
            for portion in found.iterate()
        )

    monkeypatch.setattr(RecorderCollection, "iter_matches", iterate)
    monkeypatch.setattr(ranking, "FIRST_PORTION", 4)
    monkeypatch.setattr(ranking, "LARGEST_PORTION", 20)
    return found


def create_rows(count: int, chance: random.Random) -> list[Product]:
    shops = [Shop.objects.create(name=name) for name in "ab"]
    return Product.objects.bulk_create(
        Product(
            photo=f"products/{number}.png",
            name=chance.choice("abcd"),
            active=chance.random() < 0.5,
            shop=chance.choice([*shops, None]),
        )
        for number in range(count)
    )


#: Each filter, for the database and in Python.
FILTERS: list[tuple[Any, Any]] = [
    (lambda rows: rows, lambda row: True),
    (lambda rows: rows.filter(active=True), lambda row: row.active),
    (lambda rows: rows.exclude(name="a"), lambda row: row.name != "a"),
    (
        lambda rows: rows.filter(Q(name="b") | Q(shop__name="a")),
        lambda row: row.name == "b" or (row.shop is not None and row.shop.name == "a"),
    ),
    (lambda rows: rows.filter(name="none"), lambda row: False),
    (lambda rows: rows.none(), lambda row: False),
    (
        lambda rows: rows.filter(shop__in=Shop.objects.filter(name="b")),
        lambda row: row.shop is not None and row.shop.name == "b",
    ),
    (
        lambda rows: rows.annotate(others=Count("shop__products")).filter(others__gt=0),
        lambda row: row.shop is not None,
    ),
    (
        lambda rows: rows.filter(
            Exists(Shop.objects.filter(pk=OuterRef("shop_id"), name="a")),
        ),
        lambda row: row.shop is not None and row.shop.name == "a",
    ),
]


@pytest.mark.parametrize("seed", range(60))
def test_rows_are_those_of_ranking_everything_and_filtering_in_python(
    ranked: Ranked, seed: int
) -> None:
    chance = random.Random(seed)
    rows = create_rows(chance.choice([0, 1, 5, 40, 90]), chance)
    ranked.rows = chance.sample(rows, len(rows))
    ranked.sizes = [chance.randint(1, 30) for _ in range(3)]
    if rows and chance.random() < 0.5:  # a stale id: its row is gone
        Product.objects.filter(pk=chance.choice(rows).pk).delete()
    (before, passes_before), (after, passes_after) = chance.choices(FILTERS, k=2)
    limit, least = chance.choice([1, 3, 20, 200]), chance.choice([None, 0.0, 0.5, 1.0])
    present = {row.pk for row in Product.objects.all()}
    expected = [
        row
        for row in ranked.rows
        if row.pk in present
        and passes_before(row)
        and passes_after(row)
        and (least is None or ranked.similarity(row) >= least)
    ][:limit]
    found = after(
        before(Product.objects.all()).similar_to(image(1), limit=limit, min_similarity=least)
    )
    assert list(found) == expected
    assert found.count() == len(expected)
    assert found.exists() == bool(expected)
    assert found.first() == next(iter(expected), None)
    start, end = sorted(chance.choices(range(25), k=2))
    assert list(found[start:end]) == expected[start:end]
    assert [row.pk for row in found] == list(found.values_list("pk", flat=True))


def test_a_row_is_found_wherever_it_stands(ranked: Ranked) -> None:
    rows = create_rows(300, random.Random(1))
    ranked.rows, last = rows, rows[-1]
    Product.objects.filter(pk=last.pk).update(name="last")
    assert Product.objects.filter(name="last").similar_to(image(1)).get() == last
    assert Product.objects.similar_to(image(1)).filter(name="last").get() == last
    assert Product.objects.similar_to(image(1)).get(name="last") == last
    assert len(Product.objects.similar_to(image(1), limit=300)) == 300


def test_no_more_is_read_than_the_limit_needs(
    ranked: Ranked, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ranked.rows, ranked.sizes = create_rows(200, random.Random(1)), [10]
    with django_assert_num_queries(2):  # which of the first rows exist, and the rows
        assert len(Product.objects.similar_to(image(1), limit=4)) == 4
    assert ranked.read <= 20
    with django_assert_num_queries(2):
        assert Product.objects.similar_to(image(1), limit=20)[:3].count() == 3
    found = Product.objects.filter(active=True).similar_to(image(1), limit=20)
    ranked.read = 0
    assert len(found) == len(found.all()) == 20
    assert ranked.read < 60  # searched once, though evaluated twice


def test_a_filter_that_no_row_passes_ends_the_search(
    ranked: Ranked, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = ranked.rows = create_rows(200, random.Random(1))
    ranked.sizes = [10]
    with django_assert_num_queries(2):  # which of the first rows pass, and whether any does
        assert list(Product.objects.similar_to(image(1), limit=4).filter(name="none")) == []
    assert ranked.read <= 20
    # What the search says of the later rows is not known yet.
    found: Any = Product.objects.similar_to(image(1), limit=4)
    assert list(found.filter(visualsnoop_rank__gte=150)) == rows[150:154]


def test_a_search_of_a_million_parameters_is_refused(ranked: Ranked) -> None:
    for limit in (0, MAX_LIMIT + 1):
        with pytest.raises(ValueError, match="limit must be"):
            Product.objects.similar_to(image(1), limit=limit)


def test_the_largest_limit_is_kept(ranked: Ranked) -> None:
    ranked.rows, ranked.sizes = create_rows(MAX_LIMIT + 10, random.Random(1)), [MAX_LIMIT]
    ranked.known = {"relation": "variant", "difference": 0.5}
    found = Product.objects.similar_to(image(1), limit=MAX_LIMIT)
    assert [row.pk for row in found] == [row.pk for row in ranked.rows[:MAX_LIMIT]]
    assert {(row.visualsnoop_relation, row.visualsnoop_difference) for row in found} == {
        ("variant", 0.5)
    }
    with CaptureQueriesContext(connection) as captured:
        sql, params = found.query.sql_with_params()
    assert sql.count("%s") == len(params) < 32_766  # the least of the databases' limits: SQLite's
    assert len(captured) == 1


def test_queryset_methods_work_on_it(ranked: Ranked) -> None:
    rows = ranked.rows = create_rows(60, random.Random(3))
    active = [row for row in rows if row.active]
    found: Any = Product.objects.similar_to(image(1), limit=10).filter(active=True)
    keys = [row.pk for row in active[:10]]
    assert [row.pk for row in found.select_related("shop").prefetch_related("shop__products")] == (
        keys
    )
    assert list(found.values_list("pk", "visualsnoop_rank")[:2]) == [
        (row.pk, rows.index(row)) for row in active[:2]
    ]
    assert found.last().pk == keys[-1]
    assert [row.pk for row in found.reverse()] == keys[::-1]
    assert [row.pk for row in found.order_by("-pk")] == sorted(keys, reverse=True)
    assert found.contains(active[0])
    assert not found.contains(active[10])
    assert found.in_bulk([keys[3]]) == {keys[3]: active[3]}
    assert found.aggregate(most=Max("visualsnoop_rank")) == {"most": rows.index(active[9])}
    assert found.filter(visualsnoop_rank__lte=rows.index(active[4])).count() == 5
    # A filter on the rank chooses among all, too: the limit counts what passes.
    later = found.filter(visualsnoop_rank__gt=rows.index(active[4]))
    assert [row.pk for row in later] == [row.pk for row in active[5:15]]
    assert Product.objects.filter(pk__in=found.values("pk")).count() == 10
    assert Shop.objects.filter(products__in=found).distinct().count() == len(
        {row.shop_id for row in active[:10] if row.shop_id}
    )
    by_name = found.order_by().values("name").annotate(count=Count("pk"))
    assert sum(group["count"] for group in by_name) == 10
    assert [row.pk for row in found.annotate(n=Count("shop__products"))] == keys
    assert set(found.values_list("pk").order_by().union(Product.objects.values_list("pk"))) == {
        (row.pk,) for row in rows
    }
    assert [row.pk for row in found.iterator(chunk_size=2)] == keys
    assert [row.pk for row in found.only("name")] == keys
    assert [row.pk for row in pickle.loads(pickle.dumps(found))] == keys
    query = pickle.loads(pickle.dumps(found.query))
    again: Any = Product.objects.all()
    again.query = query
    assert [row.pk for row in again] == keys
    assert [row.pk for row in found.using("default").distinct()] == keys
    assert found.update(name="found") == 10
    assert set(Product.objects.filter(name="found")) == set(active[:10])
    assert found.delete()[0] == 10
    assert not Product.objects.filter(pk__in=keys).exists()


def test_it_can_be_iterated_asynchronously(ranked: Ranked) -> None:
    rows = ranked.rows = create_rows(30, random.Random(3))

    async def iterate() -> list[int]:
        found = await Product.objects.acopies_of(image(1), limit=5)
        return [row.pk async for row in found.filter(active=True)]

    assert async_to_sync(iterate)() == [row.pk for row in rows if row.active][:5]


@pytest.mark.parametrize("count", [0, 2, 30])
def test_what_cannot_be_limited_is_refused(ranked: Ranked, count: int) -> None:
    ranked.rows = create_rows(count, random.Random(3))
    found, other = (Product.objects.similar_to(image(1), limit=3) for _ in range(2))
    with pytest.raises(ValueError, match="is the result of a search"):
        found.similar_to(image(1))
    for query in (found | Product.objects.filter(name="a"), found | other):
        with pytest.raises(NotSupportedError, match=r"cannot be combined with \|"):
            list(query)
    with pytest.raises(NotSupportedError, match="cannot be combined with &"):
        list(found & other)
    numbered = Product.objects.annotate(
        number=Window(RowNumber(), partition_by=F("name"), order_by="pk")
    )
    with pytest.raises(NotSupportedError, match="window function"):
        list(numbered.similar_to(image(1), limit=3).filter(number=1))
    with pytest.raises(NotSupportedError, match="OuterRef"):
        list(Shop.objects.filter(Exists(found.filter(shop=OuterRef("pk")))))


def test_a_join_that_repeats_rows_does_not_use_up_the_limit(ranked: Ranked) -> None:
    rows = ranked.rows = create_rows(40, random.Random(3))
    owned = [row for row in rows if row.shop_id]
    found = Product.objects.similar_to(image(1), limit=6).filter(shop__products__isnull=False)
    assert list(dict.fromkeys(row.pk for row in found)) == [row.pk for row in owned[:6]]
    assert [row.pk for row in found.distinct()] == [row.pk for row in owned[:6]]


def test_a_slice_is_not_searched(ranked: Ranked) -> None:
    with pytest.raises(TypeError, match="slice"):
        Product.objects.all()[:3].similar_to(image(1))
