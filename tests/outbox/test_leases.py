"""Workers that end in the midst of their work, and what becomes of the records they held."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.leases import LEASE_MARGIN, Lease
from django_visualsnoop.outbox.requests import retry_failed
from django_visualsnoop.outbox.retry import MAX_ABANDONED
from django_visualsnoop.sync.batch import Batch
from django_visualsnoop.sync.worker import process_records, sweep
from tests.collections.contract import image
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Product

pytestmark = pytest.mark.django_db

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django_visualsnoop.sync.outcome import Outcome

State = SyncRecord.State


class WorkerDiedError(BaseException):
    """A worker that ends here, and does nothing any more."""


@pytest.fixture
def poison(recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let scene 9 end every worker that adds it."""
    add_image = RecorderCollection.add_image

    def deadly(self: RecorderCollection, content: Any, *args: Any, **kwargs: Any) -> Any:
        if content == image(9):
            raise WorkerDiedError
        return add_image(self, content, *args, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", deadly)
    monkeypatch.setattr(Batch, "_let_go", lambda self, error: None)


def later(by: float = 0.0) -> None:
    """Let so many seconds pass, and every lease run out."""
    past = timezone.now() - timedelta(seconds=1)
    for record in SyncRecord.objects.exclude(leased_until=None):
        SyncRecord.objects.filter(pk=record.pk).update(leased_until=past)
    for record in SyncRecord.objects.exclude(due_at=None):
        assert record.due_at is not None
        due_at = record.due_at - timedelta(seconds=by)
        SyncRecord.objects.filter(pk=record.pk).update(due_at=due_at)


def dying(work: Callable[[], Outcome]) -> None:
    with pytest.raises(WorkerDiedError):
        work()


def die(times: int) -> None:
    for _ in range(times):
        dying(lambda: sweep(using="default"))
        later(by=10_000)


@pytest.mark.usefixtures("poison")
def test_a_picture_that_ends_its_worker_takes_no_others_along(recorder: RecorderCollection) -> None:
    bad, good, fine = product(9), product(1), product(2)
    die(2)  # once with all of them, then alone
    with suppress(WorkerDiedError):
        process_records(SyncRecord.objects.values_list("pk", flat=True), using="default")
    assert record_of(good).state == record_of(fine).state == State.IN_SYNC
    assert set(recorder.images.values()) == {image(1), image(2)}
    record = record_of(bad)
    assert record.state == State.WAITING
    # What is counted outlives those who counted.
    assert record.attempts == record.abandoned + 1 >= 2
    assert record_of(good).abandoned == 0


@pytest.mark.usefixtures("poison", "recorder")
def test_a_picture_that_ends_every_worker_fails() -> None:
    row = product(9)
    die(MAX_ABANDONED)
    assert sweep(using="default").failed
    record = record_of(row)
    assert record.state == State.FAILED
    assert record.reason_code == "worker_lost"
    assert record.reason.startswith(f"{MAX_ABANDONED} workers in a row")
    assert record.name == row.photo.name
    assert record.lease is None
    assert sweep(using="default").worked_on == 0


@pytest.mark.usefixtures("poison")
def test_a_failed_one_is_retried_when_someone_asks(recorder: RecorderCollection) -> None:
    row = product(9)
    die(MAX_ABANDONED)
    sweep(using="default")
    assert retry_failed(SyncRecord.objects.all()) == 1
    dying(lambda: sweep(using="default"))
    row.photo = picture(1)
    row.save()
    assert record_of(row).abandoned == 0
    later()
    sweep(using="default")
    assert record_of(row).state == State.IN_SYNC
    assert list(recorder.images.values()) == [image(1)]


@pytest.mark.usefixtures("poison")
def test_a_row_without_the_picture_is_followed_however_many_died(
    recorder: RecorderCollection,
) -> None:
    row = product(9)
    die(MAX_ABANDONED)
    Product.objects.filter(pk=row.pk)._raw_delete("default")
    sweep(using="default")
    assert not SyncRecord.objects.exists()


@pytest.mark.usefixtures("poison", "recorder")
def test_waits_after_deaths_grow() -> None:
    row = product(9)
    lease = RecorderCollection.longest_call + LEASE_MARGIN
    waits = []
    for _ in range(3):
        dying(lambda: sweep(using="default"))
        due_at = record_of(row).due_at
        assert due_at is not None
        waits.append((due_at - timezone.now()).total_seconds() - lease)
        later(by=10_000)
    first, second, third = waits
    assert first <= 0
    assert 2 < second <= 5
    assert 4.5 < third <= 10


def test_a_worker_that_survives_ends_the_row_of_deaths(recorder: RecorderCollection) -> None:
    row = product()
    SyncRecord.objects.update(
        abandoned=MAX_ABANDONED - 2, lease=1, leased_until=timezone.now() - timedelta(seconds=1)
    )
    with recorder.failing(RuntimeError("busy")):
        sweep(using="default")
    record = record_of(row)
    assert record.state == State.RETRYING
    assert record.abandoned == 0


def test_a_lease_that_was_given_back_is_no_death(recorder: RecorderCollection) -> None:
    row = product()
    SyncRecord.objects.update(abandoned=3)
    lease = Lease([str(record_of(row).pk)], using="default")
    (record,) = lease.acquire(longest_call=1)
    assert record.abandoned == 0
    lease.give_back()
    assert record_of(row).lease is None


@pytest.mark.django_db(transaction=True)
def test_a_worker_whose_connection_was_cut_gives_its_lease_back(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no connections to cut")
    row = product(1)
    who, kill = {
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%s)"),
        "mysql": ("SELECT connection_id()", "KILL %s"),
    }[connection.vendor]
    acquire = Lease.acquire

    def cut(lease: Lease, longest_call: float) -> list[SyncRecord]:
        taken = acquire(lease, longest_call)
        with connection.cursor() as cursor:
            cursor.execute(who)
            number = cursor.fetchone()
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute(kill, number)
        other.close()
        return taken

    with monkeypatch.context() as patched:
        patched.setattr(Lease, "acquire", cut)
        with pytest.raises(DatabaseError):
            sweep(using="default")
    assert record_of(row).lease is None
    assert sweep(using="default").in_sync == 1


def lease_all(rows: list[Product]) -> tuple[Lease, list[SyncRecord]]:
    lease = Lease([str(record_of(row).pk) for row in rows], using="default")
    return lease, lease.acquire(longest_call=1)


def test_one_record_is_let_go_of_and_the_others_held(recorder: RecorderCollection) -> None:
    rows = [product(number) for number in (1, 2, 3)]
    lease, taken = lease_all(rows)
    assert len(taken) == 3
    assert lease.release(taken[0])
    assert not lease.release(taken[0])
    assert {record.pk for record in lease.records} == {record.pk for record in taken[1:]}
    assert lease.finalize(taken[1], applied=taken[1].generation)
    assert not lease.delete(taken[1])
    assert [record.pk for record in lease.records] == [taken[2].pk]
    assert lease.delete(taken[2])
    assert SyncRecord.objects.count() == 2


def test_only_who_died_before_waits_longer_should_he_die_again(
    recorder: RecorderCollection,
) -> None:
    fine, bad = product(1), product(2)
    past = timezone.now() - timedelta(seconds=1)
    SyncRecord.objects.filter(pk=record_of(bad).pk).update(lease=1, leased_until=past, abandoned=3)
    lease_all([fine, bad])
    first, second = record_of(fine), record_of(bad)
    assert first.due_at == first.leased_until == second.leased_until
    assert second.due_at is not None
    assert second.leased_until is not None
    assert second.due_at > second.leased_until


def test_who_comes_second_is_told_how_long_to_wait(recorder: RecorderCollection) -> None:
    rows = [product(number) for number in range(1, 7)]
    leased, late, free, ending, finalized, mine = (record_of(row).pk for row in rows)
    now = timezone.now()

    def set_times(key: UUID, lease: int | None, until: float | None, due: float) -> None:
        SyncRecord.objects.filter(pk=key).update(
            lease=lease,
            leased_until=None if until is None else now + timedelta(seconds=until),
            due_at=now + timedelta(seconds=due),
        )

    set_times(leased, 1, 300, 0)
    set_times(late, 1, 300, 500)
    set_times(free, None, None, 0)  # somebody is requesting it now
    set_times(ending, 1, -5, -5)
    SyncRecord.objects.filter(pk=finalized).update(applied=F("generation"))
    lease = Lease([str(record_of(row).pk) for row in rows], using="default")
    set_times(mine, lease.token, 300, 300)
    waits = {key: seconds for seconds, key in lease.leased_by_others()}
    assert waits == {
        str(leased): pytest.approx(300, abs=2),
        str(late): pytest.approx(500, abs=2),
        str(free): pytest.approx(LEASE_MARGIN, abs=2),
        str(ending): 1.0,
    }


@pytest.mark.django_db(transaction=True)
def test_giving_back_without_a_database_is_no_error_of_its_own(
    recorder: RecorderCollection,
) -> None:
    def broken(*_: object) -> None:
        raise DatabaseError("the server has gone")

    row = product(1)
    lease, _ = lease_all([row])
    with connection.execute_wrapper(broken):
        lease.give_back()
    assert record_of(row).lease == lease.token
    lease.give_back()
    assert record_of(row).lease is None


def test_only_what_was_tried_counts_as_an_attempt(recorder: RecorderCollection) -> None:
    row = product(1)
    attempts = []
    for unattempted in ({}, {}, {"unattempted": True}, {"unattempted": False}):
        lease, _ = lease_all([row])
        lease.give_back(**unattempted)
        attempts.append(record_of(row).attempts)
    assert attempts == [1, 2, 2, 3]
