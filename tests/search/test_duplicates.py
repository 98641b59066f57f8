"""``duplicates()``: which groups, in which order, at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile

from django_visualsnoop.collections.base import ImagePair
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.worker import sweep
from tests.engine.flavours import draw_receipt, encode
from tests.fixtures import picture, product
from tests.testapp.models import Article, Product

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


@pytest.fixture
def pairs(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Any, Any, int]]:
    """A collection that finds the pairs that the test says: two keys of products, rank."""
    answers: list[tuple[Any, Any, int]] = []

    def iter_pairs(self: object, **kwargs: Any) -> Iterator[ImagePair]:
        for first, second, rank in answers:
            low, high = ids = sorted(f"testapp.product.photo:{key}" for key in (first, second))
            touching = kwargs.get("touching")
            if touching is None or not touching.isdisjoint(ids):
                yield ImagePair(low, high, rank, 1 - rank / 100)

    monkeypatch.setattr(RecorderCollection, "iter_pairs", iter_pairs)
    return answers


def bare(count: int) -> list[int]:
    # Equally close rows come in the order of their keys' text: keys of one length are in order.
    rows = Product.objects.bulk_create(
        [Product(pk=1000 + n, photo=f"{n}.png") for n in range(count)]
    )
    return [row.pk for row in rows]


def keys(groups: Iterable[Iterable[Product]]) -> list[list[int]]:
    return [[row.pk for row in group] for group in groups]


def test_copies_are_grouped(recorder: RecorderCollection) -> None:
    first, second, other, copy = product(1), product(1), product(2), product(1)
    sweep(using="default")
    (group,) = Product.objects.duplicates()
    assert {row.pk for row in group} == {first.pk, second.pk, copy.pk}
    assert (group.rank, group.similarity) == (0, 1.0)
    assert other not in group


def test_the_closest_group_comes_first_and_so_does_its_closest_member(
    pairs: list[tuple[Any, Any, int]],
) -> None:
    a, b, c, d, e = bare(5)
    pairs += [(a, b, 5), (c, d, 2), (d, e, 1)]
    groups = Product.objects.duplicates()
    assert keys(groups) == [[d, e, c], [a, b]]
    assert [member.rank for member in groups[0].members] == [1, 1, 2]
    assert groups[1].similarity == 0.95


def test_filters_leave_rows_out_and_a_lone_row_is_no_group(
    pairs: list[tuple[Any, Any, int]],
) -> None:
    a, b, c, d = bare(4)
    pairs += [(a, b, 0), (b, c, 0), (c, d, 0)]
    assert keys(Product.objects.exclude(pk=b).duplicates()) == [[c, d]]
    assert keys(Product.objects.filter(pk__in=[a, c]).duplicates()) == []


def test_groups_of_given_rows_hold_their_copies_among_all(
    pairs: list[tuple[Any, Any, int]],
) -> None:
    a, b, c, d = bare(4)
    pairs += [(a, b, 0), (c, d, 0)]
    assert keys(Product.objects.duplicates(of=Product.objects.filter(pk=b))) == [[a, b]]
    assert keys(Product.objects.duplicates(of=Product.objects.none())) == []


def test_progress_goes_from_nothing_to_all(recorder: RecorderCollection) -> None:
    for number in range(3):
        product(number)
    sweep(using="default")
    shares: list[float] = []
    Product.objects.duplicates(progress=shares.append)
    assert shares == [0.0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]


def test_near_misses_are_no_chain(pairs: list[tuple[Any, Any, int]]) -> None:
    a, b, c = bare(3)
    pairs += [(a, b, 20), (b, c, 40)]
    (group,) = Product.objects.duplicates()
    assert [(member.row.pk, member.rank) for member in group.members] == [(a, 20), (b, 20)]


def test_how_the_copies_of_given_rows_agree_is_looked_up(pairs: list[tuple[Any, Any, int]]) -> None:
    a, b, c, d = bare(4)
    pairs += [(a, b, 20), (a, c, 30), (b, c, 25), (a, d, 40)]
    assert keys(Product.objects.duplicates()) == [[a, b, c]]
    for key in (a, b, c):
        groups = Product.objects.duplicates(of=Product.objects.filter(pk=key))
        assert keys(groups) == [[a, b, c]]
    # Whoever asks for a row sees what is closest to it, though among all that is left out.
    assert keys(Product.objects.duplicates(of=Product.objects.filter(pk=d))) == [[a, d]]


def test_rows_that_are_gone_are_no_members(pairs: list[tuple[Any, Any, int]]) -> None:
    a, b, c = bare(3)
    pairs += [(a, b, 0), (b, c, 0), (c, 999999, 0)]
    groups = Product.objects.duplicates()
    Product.objects.filter(pk=a).delete()
    assert keys(groups) == [[b, c]]
    assert len(Product.objects.duplicates()) == 1


def test_a_large_group_does_not_depend_on_rows_that_are_gone_or_filtered_out(media: Path) -> None:
    """The embedded engine may have joined them by images that do not count."""
    rows = [product(1) for _ in range(24)]
    sweep(using="default")
    SyncRecord.objects.all().delete()
    kept = {row.pk for row in rows[1::2]}
    (group,) = Product.objects.filter(pk__in=kept).duplicates()
    assert {row.pk for row in group} == kept
    (group,) = Product.objects.filter(pk__in=kept).duplicates(
        of=Product.objects.filter(pk=rows[1].pk)
    )
    assert rows[1] in group
    assert {row.pk for row in group} <= kept
    gone = Product.objects.filter(pk__in={row.pk for row in rows} - kept)
    gone._raw_delete(gone.db)  # their images stay for now
    (group,) = Product.objects.duplicates()
    assert {row.pk for row in group} == kept


def test_two_pictures_of_one_row_are_no_group(recorder: RecorderCollection) -> None:
    row = Article.objects.create(cover=picture(1), thumbnail=picture(1))
    other = Article.objects.create(cover=picture(1))
    sweep(using="default")
    assert [{row.pk for row in group} for group in Article.objects.duplicates()] == [
        {row.pk, other.pk}
    ]
    assert len(Article.objects.duplicates(field="thumbnail")) == 0


@pytest.mark.parametrize("count", [2, 60])
def test_finding_and_fetching_cost_two_queries_however_many(
    pairs: list[tuple[Any, Any, int]],
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    found = bare(count * 2)
    pairs += [(found[n], found[n + 1], n) for n in range(0, len(found), 2)]
    with django_assert_num_queries(2):
        assert len(list(Product.objects.duplicates())) == count


def test_groups_can_be_counted_and_paged_without_fetching_all(
    pairs: list[tuple[Any, Any, int]], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    found = bare(60)
    pairs += [(found[n], found[n + 1], n) for n in range(0, len(found), 2)]
    groups = Product.objects.duplicates()
    with django_assert_num_queries(0):
        assert len(groups) == 30
        page = groups[10:12]
        assert repr(groups) == "<30 groups of duplicate products>"
    with django_assert_num_queries(1):
        assert keys(page) == [found[20:22], found[22:24]]
    assert keys([groups[-1]]) == [found[58:60]]
    with pytest.raises(IndexError):
        groups[30]


def test_a_similarity_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="min_similarity must be between 0 and 1, not -1"):
        Product.objects.duplicates(min_similarity=-1)


@pytest.mark.usefixtures("media")
class TestCloserLook:
    @pytest.fixture
    def rows(self) -> list[Product]:
        """Two pictures of one receipt, and one of another date."""
        page, other = draw_receipt("02/05/2026  Till 3"), draw_receipt("19/11/2026  Till 8")
        contents = encode(page), encode(page, 60), encode(other)
        rows = [
            Product.objects.create(photo=ContentFile(content, f"{number}.jpg"))
            for number, content in enumerate(contents)
        ]
        sweep(using="default")
        return rows

    def test_files_of_rows_are_read_again(self, rows: list[Product]) -> None:
        one, copy, other = (row.pk for row in rows)
        assert sorted(map(sorted, keys(Product.objects.duplicates()))) == [[one, copy]]
        everything = Product.objects.duplicates(closer_look=False)
        assert sorted(map(sorted, keys(everything))) == [[one, copy, other]]

    def test_what_is_known_is_not_read_again(
        self, rows: list[Product], django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        found = keys(Product.objects.duplicates())
        for row in rows:
            row.photo.delete(save=False)
        with django_assert_max_num_queries(10):
            assert keys(Product.objects.duplicates()) == found

    def test_the_first_verdict_stays_without_the_files(self, rows: list[Product]) -> None:
        for row in rows:
            row.photo.delete(save=False)
        (group,) = Product.objects.duplicates()
        assert len(group) == 3

    def test_a_filter_and_given_rows(self, rows: list[Product]) -> None:
        one, copy, other = rows
        of = Product.objects.filter(pk=other.pk)
        assert keys(Product.objects.duplicates(of=of)) == []
        of = Product.objects.filter(pk=one.pk)
        assert sorted(map(sorted, keys(Product.objects.duplicates(of=of)))) == [[one.pk, copy.pk]]
