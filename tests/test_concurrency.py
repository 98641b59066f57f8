"""Several at once: workers on one record, sweepers on one table, requests on one row."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError, connections, transaction

from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.worker import process_records, sweep
from tests.collections.contract import image
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Product

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db(transaction=True)

State = SyncRecord.State
#: Longest that a thread may wait for the others, in seconds; only a defect takes it.
PATIENCE = 60


def together(*functions: Callable[[], object]) -> None:
    """Run functions at the same moment, each in a thread with connections of its own."""
    barrier = threading.Barrier(len(functions))
    failures: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        try:
            barrier.wait(PATIENCE)
            function()
        except BaseException as error:  # noqa: BLE001 -- raised again below
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    for failure in failures:
        raise failure


def added(recorder: RecorderCollection) -> Counter[str | None]:
    """Return how often each image was added."""
    return Counter(call.image_id for call in recorder.calls if call.method == "add_image")


@pytest.mark.parametrize("count", [2, 4])
def test_sweepers_share_the_work_and_do_none_twice(
    recorder: RecorderCollection, count: int
) -> None:
    for number in range(24):
        product(number % 5)
    together(*[lambda: sweep(using="default", batch_size=5)] * count)
    sweep(using="default")  # one may have left what another was just locking
    assert {record.state for record in SyncRecord.objects.all()} == {State.IN_SYNC}
    assert len(recorder.images) == 24
    assert set(added(recorder).values()) == {1}


def test_workers_with_the_same_message_upload_once(recorder: RecorderCollection) -> None:
    for turn in range(5):
        row = product(turn)
        ids = [record_of(row).pk]
        together(*[lambda ids=ids: process_records(ids, using="default")] * 3)
        sweep(using="default")
        assert record_of(row).state == State.IN_SYNC
    assert set(added(recorder).values()) == {1}


def test_two_requests_save_the_same_row_while_workers_follow(
    recorder: RecorderCollection,
) -> None:
    row = product(0)
    ids = [record_of(row).pk]

    def save(numbers: range) -> None:
        for number in numbers:
            mine = Product.objects.get(pk=row.pk)
            mine.photo = picture(number)
            mine.save(update_fields=["photo"])

    def work() -> None:
        for _ in range(8):
            process_records(ids, using="default")

    together(lambda: save(range(1, 7)), lambda: save(range(7, 13)), work, work)
    sweep(using="default")
    row.refresh_from_db()
    with row.photo.open("rb") as file:
        now = file.read()
    assert list(recorder.images.values()) == [now]
    record = record_of(row)
    assert (record.state, record.name) == (State.IN_SYNC, row.photo.name)


def test_transactions_that_save_two_rows_in_opposite_order_are_not_made_worse(
    recorder: RecorderCollection,
) -> None:
    """They may deadlock with each other, as they would without us; a worker is never part of it."""
    first, second = product(1), product(2)
    ids = [record_of(first).pk, record_of(second).pk]
    deadlocks: list[str] = []

    def save(rows: list[int], number: int) -> None:
        for _ in range(5):
            try:
                with transaction.atomic():
                    # As a careful project does: rows in one order, records as it happens.
                    list(Product.objects.select_for_update().order_by("pk"))
                    for pk in rows:
                        row = Product.objects.get(pk=pk)
                        row.photo = picture(number)
                        row.save()
            except OperationalError as error:
                deadlocks.append(str(error))

    def work() -> None:
        for _ in range(10):
            process_records(ids, using="default")

    together(
        lambda: save([first.pk, second.pk], 3), lambda: save([second.pk, first.pk], 4), work, work
    )
    assert deadlocks == []
    sweep(using="default")
    assert {record.state for record in SyncRecord.objects.all()} == {State.IN_SYNC}
    assert len(recorder.images) == 2
    assert len(set(recorder.images.values())) == 1  # both of the same transaction


@pytest.mark.usefixtures("recorder")
def test_an_older_upload_that_ends_last_is_made_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that outlives its lease must not leave the older picture behind."""
    row = product(1)
    record_id = record_of(row).pk
    uploading, go_on = threading.Event(), threading.Event()
    add_image = RecorderCollection.add_image

    def slow(self: RecorderCollection, content: Any, *args: Any, **kwargs: Any) -> Any:
        if content == image(1) and not uploading.is_set():
            uploading.set()
            assert go_on.wait(PATIENCE)
        return add_image(self, content, *args, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", slow)

    def replace() -> None:
        assert uploading.wait(PATIENCE)
        mine = Product.objects.get(pk=row.pk)
        mine.photo = picture(2)
        mine.save()
        SyncRecord.objects.update(leased_until=record_of(row).requested_at)  # the lease runs out
        assert process_records([record_id], using="default").in_sync == 1
        go_on.set()

    together(lambda: process_records([record_id], using="default"), replace)
    sweep(using="default")
    assert list(RecorderCollection("default", {}).images.values()) == [image(2)]
    assert record_of(row).state == State.IN_SYNC
