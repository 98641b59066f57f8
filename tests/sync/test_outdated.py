"""Images that an older version of the descriptor described, in the embedded engine."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command

from django_visualsnoop.client.exceptions import TransportError
from django_visualsnoop.collections import collections
from django_visualsnoop.engine.descriptors import describe, descriptor
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.engine.replica import held, vector_kinds
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.worker import sweep
from tests.fixtures import grow_old, lose, picture, product, record_of
from tests.related import related_pictures
from tests.testapp.models import Article, Product

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]

State = SyncRecord.State
OLD, NEW = describe.DESCRIPTION_VERSION, describe.DESCRIPTION_VERSION + 1


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to go on as a new process does, with a descriptor that sees other things."""

    def release() -> None:
        original = describe.describe

        def described(pixels: Any, digest: bytes) -> Any:
            seen = original(pixels, digest)
            return seen._replace(vector=-seen.vector, codes=~seen.codes)

        monkeypatch.setattr(describe, "DESCRIPTION_VERSION", NEW)
        for module in (descriptor, vector_kinds):
            monkeypatch.setattr(module, "COMPARABLE", {NEW})
        monkeypatch.setattr(describe, "describe", described)
        monkeypatch.setattr(
            describe,
            "build_probes",
            lambda pixels, digest, _: describe.build_stored_probes(described(pixels, digest)),
        )
        held._replicas.clear()

    return release


def found(row: Product) -> set[Product]:
    return set(Product.objects.similar_to(row.photo.path)) - {row}


def versions() -> list[int]:
    return sorted(IndexedImage.objects.values_list("version", flat=True))


def test_the_sweeper_describes_them_again_while_searches_go_on(upgrade: Callable[[], None]) -> None:
    rows = [product(1) for _ in range(5)]
    sweep(using="default")
    assert found(rows[0]) == set(rows[1:])
    upgrade()
    assert found(rows[0]) == set()
    done: set[Product] = set()
    while len(done) < 5:
        assert sweep(using="default", limit=2).in_sync in (1, 2)
        # No answer has an image of the old version in it, and each has all of the new one.
        done = set(Product.objects.similar_to(rows[0].photo.path))
        assert len(done) == versions().count(NEW)
        for row in done:
            assert record_of(row).state == State.IN_SYNC
    assert found(rows[0]) == set(rows[1:])
    assert sweep(using="default").worked_on == 0


#: The last version without thumbnails; its descriptors can be compared with those of today.
WITHOUT_THUMBNAILS = 4
RELATIONS = {"original": "copy", "copy": "copy", "variant": "variant", "shot": "shot"}


@pytest.fixture
def related(shared: Path) -> dict[str, Product]:
    """Rows that a release without thumbnails described, by how they are related to the first."""
    rows = {
        name: Product.objects.create(name=name, photo=ContentFile(content, f"{name}.jpg"))
        for name, content in related_pictures(shared).items()
    }
    sweep(using="default")
    IndexedImage.objects.update(version=WITHOUT_THUMBNAILS, thumbnail=None, capture=None, seq=None)
    held._replicas.clear()
    return rows


def told(what: Any) -> dict[str, str | None]:
    """Return the relations of the rows that a search finds, and check their order."""
    rows: list[Any] = list(Product.objects.similar_to(what))
    ranks = [row.visualsnoop_rank for row in rows]
    assert ranks == sorted(ranks)
    for row in rows:
        # The first stage alone ranks images without a thumbnail, among the copies.
        if row.visualsnoop_relation is None:
            assert (row.visualsnoop_rank < 1000, row.visualsnoop_difference) == (True, None)
    return {row.name: row.visualsnoop_relation for row in rows}


def status() -> str:
    out = io.StringIO()
    call_command("visualsnoop_status", stdout=out)
    return out.getvalue()


def test_images_of_both_versions_are_found_together(
    related: dict[str, Product], shared: Path
) -> None:
    original = related_pictures(shared)["original"]
    assert told(original) == dict.fromkeys(RELATIONS)
    for left in (3, 2, 1, 0):
        assert sweep(using="default", limit=1).in_sync == 1
        done = set(IndexedImage.objects.filter(version=OLD).values_list("image_id", flat=True))
        again = {name for name, row in related.items() if record_of(row).image_id in done}
        assert len(again) == len(RELATIONS) - left
        assert told(original) == {
            name: RELATIONS[name] if name in again else None for name in RELATIONS
        }
        for name, row in related.items():
            # The search by a row that has no thumbnail says nothing of relations.
            found_by_id = told(row)
            assert found_by_id.keys() == RELATIONS.keys() - {name}
            for other, relation in found_by_id.items():
                assert (relation is not None) == ({name, other} <= again)
        assert related["copy"] in {row for group in Product.objects.duplicates() for row in group}
        line = f"default: an older version or another model described {left} images."
        assert (line in status()) == (left > 0)
    assert sweep(using="default").worked_on == 0
    (group,) = Product.objects.duplicates()
    assert {related["original"], related["copy"]} <= set(group)
    assert related["variant"] not in set(group)


def test_reindexing_describes_them_all(related: dict[str, Product]) -> None:
    assert versions() == [WITHOUT_THUMBNAILS] * 4
    call_command("visualsnoop_reindex", stdout=io.StringIO(), stderr=io.StringIO())
    assert versions() == [OLD] * 4
    assert told(related["original"]) == {
        name: relation for name, relation in RELATIONS.items() if name != "original"
    }
    assert "an older version" not in status()


def test_what_is_due_comes_first(upgrade: Callable[[], None]) -> None:
    product(1)
    sweep(using="default")
    upgrade()
    new = product(2)
    sweep(using="default", limit=1)
    assert record_of(new).state == State.IN_SYNC
    assert versions() == [OLD, NEW]
    sweep(using="default", limit=1)
    assert versions() == [NEW, NEW]


def test_every_field_of_every_model_is_upgraded(upgrade: Callable[[], None]) -> None:
    Article.objects.create(cover=picture(1), thumbnail=picture(2))
    product(3)
    sweep(using="default")
    upgrade()
    assert sweep(using="default", batch_size=2).in_sync == 3
    assert versions() == [NEW] * 3


def test_an_older_process_leaves_newer_images_alone(upgrade: Callable[[], None]) -> None:
    row = product(1)
    sweep(using="default")
    IndexedImage.objects.update(version=NEW)
    assert sweep(using="default").worked_on == 0
    assert versions() == [NEW]
    assert record_of(row).state == State.IN_SYNC


def test_one_whose_file_is_gone_fails_and_leaves_the_collection(
    upgrade: Callable[[], None],
) -> None:
    row = product(1)
    sweep(using="default")
    lose(row.photo)
    upgrade()
    grow_old()
    sweep(using="default")
    assert record_of(row).state == State.FAILED
    assert versions() == [OLD]  # its tombstone
    assert sweep(using="default").worked_on == 0


def test_one_without_a_record_is_left_alone(upgrade: Callable[[], None]) -> None:
    collections["default"].add_image(picture(1), "by hand")
    collections["default"].add_image(picture(1), "testapp.product.photo:77")
    upgrade()
    assert sweep(using="default").worked_on == 0
    assert versions() == [OLD, OLD]


def test_looking_for_them_costs_one_query_a_version(
    upgrade: Callable[[], None], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    product(1)
    sweep(using="default")
    with django_assert_num_queries(OLD - 1):
        assert list(collections["default"].iter_outdated()) == []
    upgrade()
    sweep(using="default")
    with django_assert_num_queries(NEW - 1):
        assert list(collections["default"].iter_outdated()) == []


def test_one_that_stays_outdated_does_not_keep_the_sweeper_busy(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    sweep(using="default")
    image_id = record_of(row).image_id
    monkeypatch.setattr(type(recorder), "iter_outdated", lambda self: iter([image_id]))
    assert sweep(using="default").in_sync == 1
    assert sweep(using="default").in_sync == 1


def test_a_collection_that_cannot_say_so_does_not_stop_the_sweeper(
    recorder: RecorderCollection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def down(self: RecorderCollection) -> None:
        raise TransportError("no answer")

    product(1)
    monkeypatch.setattr(type(recorder), "iter_outdated", down)
    assert sweep(using="default").in_sync == 1
    assert "Could not list the outdated images" in caplog.text
