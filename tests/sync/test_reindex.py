"""Whole tables, batch by batch."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from django_visualsnoop.client.exceptions import ServerError
from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.reindex import MAX_SHOWN, Failures, Plan, ReindexCounts, Step, reindex
from tests.collections.contract import image
from tests.fixtures import grow_old, picture, product, record_of
from tests.testapp.models import Article, Listing, Poster, Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])

PHOTO = indexed_field(Product, "photo")


def run(plan: Plan = Plan(), after: Any = None, field: Any = PHOTO) -> ReindexCounts:  # noqa: B008 -- frozen
    tally = ReindexCounts()
    for step in reindex(field, plan, after=after):
        tally.update(step.tally)
    return tally


def unheard(number: int = 1, **kwargs: Any) -> Product:
    """Return a row that the collection has not heard of."""
    with sync_paused():
        return product(number, **kwargs)


def ids(*rows: Product) -> set[str]:
    return {f"testapp.product.photo:{row.pk}" for row in rows}


def test_rows_are_brought_home(recorder: RecorderCollection) -> None:
    rows = [unheard(n) for n in range(1, 4)]
    with sync_paused():
        Product.objects.create()
    tally = run(Plan(batch_size=2))
    assert set(recorder.images) == ids(*rows)
    assert recorder.images[f"testapp.product.photo:{rows[0].pk}"] == image(1)
    assert tally.counts == {"wanted": 3, "empty": 1, "in_sync": 3, "failed": 0, "elsewhere": 0}
    assert tally.rows == 4


def test_each_batch_says_where_to_go_on(recorder: RecorderCollection) -> None:
    rows = [unheard() for _ in range(3)]
    steps: list[Step] = list(reindex(PHOTO, Plan(batch_size=2)))
    assert [step.last_key for step in steps] == [rows[1].pk, rows[2].pk]
    recorder.clear()
    run(after=rows[1].pk)
    assert set(recorder.images) == ids(rows[2])


def test_one_bad_image_stops_nothing(recorder: RecorderCollection) -> None:
    good, bad = unheard(1), unheard(2)
    default_storage.delete(str(bad.photo.name))
    tally = run()
    assert set(recorder.images) == ids(good)
    assert tally.counts["failed"] == tally.failures.count == 1
    ((image_id, reason),) = tally.failures.shown
    assert {image_id} == ids(bad)
    assert "not in the storage" in reason


def test_a_row_that_cannot_even_be_loaded_stops_nothing(recorder: RecorderCollection) -> None:
    with sync_paused():
        bad, good = Article.objects.create(), Article.objects.create(thumbnail=picture(1))
        Article.objects.filter(pk=bad.pk).update(thumbnail="missing.png")
    tally = run(field=indexed_field(Article, "thumbnail"))
    assert set(recorder.images) == {f"testapp.article.thumbnail:{good.pk}"}
    assert [image_id for image_id, _ in tally.failures.shown] == [
        f"testapp.article.thumbnail:{bad.pk}"
    ]


def test_what_its_condition_refuses_is_removed_and_noted(recorder: RecorderCollection) -> None:
    row = Listing.objects.create(photo=picture(1))
    worker.sweep(using="default")
    assert recorder.images
    with sync_paused():
        Listing.objects.update(published=False)
    field = indexed_field(Listing, "photo")
    assert run(field=field).counts["unwanted"] == 1
    assert not recorder.images
    assert not record_of(row).wanted
    # A later turn of the condition is noticed, since the record says that it is not wanted.
    row.refresh_from_db()
    row.published = True
    row.save(update_fields=["published"])
    worker.sweep(using="default")
    assert recorder.images


def test_a_row_that_lost_its_picture_unheard_loses_it_there(recorder: RecorderCollection) -> None:
    row = product(1)
    worker.sweep(using="default")
    with sync_paused():
        Product.objects.filter(pk=row.pk).update(photo="")
    run()
    assert not recorder.images
    assert not SyncRecord.objects.exists()


def test_missing_skips_what_is_in_sync(recorder: RecorderCollection) -> None:
    in_sync, changed, new = product(1), product(2), unheard(3)
    worker.sweep(using="default")
    with sync_paused():
        changed.photo = picture(4)
        changed.save()
    calls = len(recorder.calls)
    tally = run(Plan(missing=True))
    asked = {call.image_id for call in recorder.calls[calls:]}
    assert asked == ids(changed, new)
    assert tally.counts["left"] == 1
    assert set(recorder.images) == ids(in_sync, changed, new)


def test_missing_retries_what_failed(recorder: RecorderCollection) -> None:
    row = unheard(1)
    default_storage.delete(str(row.photo.name))
    run()
    grow_old()
    worker.process_records([record_of(row).pk], using="default")
    assert record_of(row).state == SyncRecord.State.FAILED
    default_storage.save(row.photo.name, picture(1))
    run(Plan(missing=True))
    assert record_of(row).state == SyncRecord.State.IN_SYNC


def test_since_leaves_what_was_synced_later(recorder: RecorderCollection) -> None:
    old, fresh, new = product(1), product(2), unheard(3)
    worker.sweep(using="default")
    now = timezone.now()
    SyncRecord.objects.filter(pk=record_of(old).pk).update(synced_at=now - timedelta(days=2))
    recorder.clear()
    tally = run(Plan(since=now - timedelta(days=1)))
    assert set(recorder.images) == ids(old, new)
    assert tally.counts["left"] == 1
    assert record_of(fresh).state == SyncRecord.State.IN_SYNC


def test_a_dry_run_changes_nothing(recorder: RecorderCollection) -> None:
    unheard(1)
    assert run(Plan(dry_run=True)).counts == {"wanted": 1}
    assert not recorder.calls
    assert not SyncRecord.objects.exists()


def test_workers_get_no_dispatch_because_the_work_is_done_here(
    recorder: RecorderCollection,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    dispatched: list[str] = []
    monkeypatch.setattr(dispatch, "dispatch_records", lambda _, found: dispatched.extend(found))
    row = unheard(1)
    with django_capture_on_commit_callbacks(execute=True):
        run()
    assert dispatched == []
    assert record_of(row).state == "in_sync"


def test_a_batch_that_is_interrupted_stays_due(
    recorder: RecorderCollection,
) -> None:
    rows = [unheard(n) for n in range(1, 4)]
    steps = reindex(PHOTO, Plan(batch_size=2))
    done = next(steps).last_key
    recorder.fail_with(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        next(steps)
    assert done == rows[1].pk
    assert set(recorder.images) == ids(*rows[:2])
    assert record_of(rows[2]).lease is None
    run(after=done)
    assert set(recorder.images) == ids(*rows)


def test_what_another_worker_holds_is_counted(recorder: RecorderCollection) -> None:
    row = product(1)
    later = timezone.now() + timedelta(minutes=5)
    SyncRecord.objects.filter(pk=record_of(row).pk).update(lease=1, leased_until=later)
    assert run().counts["elsewhere"] == 1
    assert not recorder.images


def test_a_failure_that_may_pass_counts_as_one(recorder: RecorderCollection) -> None:
    row = unheard(1)
    with recorder.failing(ServerError("busy")):
        tally = run()
    assert tally.failures.shown == [(*ids(row), "busy")]
    assert record_of(row).state == SyncRecord.State.RETRYING


def test_children_are_counted_once(recorder: RecorderCollection) -> None:
    with sync_paused():
        poster = Poster.objects.create(photo=picture(1))
    assert run().counts["in_sync"] == 1
    assert set(recorder.images) == ids(poster)


def test_rows_of_another_database(recorder: RecorderCollection) -> None:
    with sync_paused():
        row = Product.objects.using("other").create(photo=picture(1))
        unheard(2)
    assert run(Plan(using="other")).counts["in_sync"] == 1
    assert list(recorder.images) == [f"testapp.product.photo:{row.pk}"]
    assert SyncRecord.objects.using("other").count() == 1
    assert not SyncRecord.objects.exists()


def test_only_the_first_failures_are_kept() -> None:
    failures = Failures()
    for n in range(MAX_SHOWN + 5):
        failures.add(str(n), "why")
    more = Failures()
    more.add("x", "why")
    failures.update(more)
    assert failures.count == MAX_SHOWN + 6
    assert [image_id for image_id, _ in failures.shown] == [str(n) for n in range(MAX_SHOWN)]
