"""Rows in batches by key."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.indexed.options import IndexedField, indexed_field
from django_visualsnoop.indexed.rows import batches, by_keys, count
from django_visualsnoop.outbox.pausing import sync_paused
from tests.testapp.models import Article, Document, Listing, Poster, Product

pytestmark = pytest.mark.django_db

PHOTO = indexed_field(Product, "photo")


def keys_of(field: IndexedField, size: int, after: object = None) -> list[list[object]]:
    found = batches(field, using="default", size=size, after=after)
    return [[row.key for row in batch] for batch in found]


def test_batches_follow_the_key_without_an_offset() -> None:
    made = [Product.objects.create(photo=f"{n}.png").pk for n in range(5)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert keys_of(PHOTO, 2) == [made[:2], made[2:4], made[4:]]
    assert len(queries) == 3
    assert not any("OFFSET" in query["sql"].upper() for query in queries)


def test_a_batch_starts_behind_a_key() -> None:
    made = [Product.objects.create(photo=f"{n}.png").pk for n in range(4)]
    assert keys_of(PHOTO, 10, after=made[1]) == [made[2:]]
    assert keys_of(PHOTO, 10, after=made[-1]) == []
    assert count(PHOTO, using="default", after=made[1]) == 2


@pytest.mark.parametrize("size", [1, 7, 100])
def test_every_uuid_comes_once(size: int) -> None:
    made = {Article.objects.create(pk=uuid.uuid4(), cover="c.png").pk for _ in range(40)}
    found = [key for batch in keys_of(indexed_field(Article, "cover"), size) for key in batch]
    assert len(found) == 40
    assert set(found) == made


def test_every_text_key_comes_once() -> None:
    made = {"a", "B", "c d", "öl", "é/1", "10", "9", "-x", "%", "Zz", "_"}
    for code in made:
        Document.objects.create(code=code, scan="s.png")
    found = [key for batch in keys_of(indexed_field(Document, "scan"), 3) for key in batch]
    assert len(found) == len(made)
    assert set(found) == made


def test_children_are_rows_of_the_model_that_declares_the_field() -> None:
    poster = Poster.objects.create(photo="p.png")
    assert indexed_field(Poster, "photo") == PHOTO
    assert keys_of(PHOTO, 10) == [[poster.pk]]


def test_a_condition_says_which_pictures_are_wanted() -> None:
    yes = Listing.objects.create(photo="yes.png")
    no = Listing.objects.create(photo="no.png", published=False)
    none = Listing.objects.create()
    (batch,) = batches(indexed_field(Listing, "photo"), using="default", size=10)
    assert {row.key: row.wanted for row in batch} == {
        yes.pk: True,
        no.pk: False,
        none.pk: False,
    }
    assert {row.key: row.name for row in batch}[no.pk] == "no.png"


def test_a_condition_that_fails_stops_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Listing.objects.create(photo="a.png", title=title) for title in ("x", "bad", "no")]

    def should_index(self: Listing) -> bool:
        if self.title == "bad":
            raise RuntimeError(self.title)
        return self.title != "no"

    monkeypatch.setattr(Listing, "visualsnoop_should_index", should_index)
    (batch,) = batches(indexed_field(Listing, "photo"), using="default", size=10)
    # The bad one counts as wanted, so that the sync writes down what is wrong with it.
    assert {row.key: row.wanted for row in batch} == dict(
        zip((row.pk for row in rows), (True, True, False), strict=True)
    )


def test_no_file_is_opened_for_its_dimensions(media: object) -> None:
    with sync_paused():
        Article.objects.bulk_create([Article(cover="c.png")])
        Article.objects.update(thumbnail="missing.png", width=None)
    with pytest.raises(FileNotFoundError):
        Article.objects.get()
    (batch,) = batches(indexed_field(Article, "thumbnail"), using="default", size=10)
    assert [row.name for row in batch] == ["missing.png"]


def test_rows_by_key_are_one_query() -> None:
    row = Product.objects.create(photo="a.png")
    with CaptureQueriesContext(connection) as queries:
        found = by_keys(PHOTO, [row.pk, row.pk + 1], using="default")
    assert len(queries) == 1
    assert list(found) == [row.pk]
    assert found[row.pk].wanted
