"""Requests that nobody's save has written, each in the database of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.db.models import Q

from django_visualsnoop.indexed import options
from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import dispatch, requests
from django_visualsnoop.outbox.requests import SyncRequest
from django_visualsnoop.sync.worker import sweep
from tests.fixtures import product, record_of
from tests.records import failing
from tests.testapp.models import Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"], transaction=True)

State = SyncRecord.State


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The databases that messages name, and how many records each message."""
    told: list[tuple[str, int]] = []

    def publish(using: str, record_ids: list[str]) -> bool:
        told.append((using, len(record_ids)))
        return True

    monkeypatch.setattr(dispatch, "dispatch_records", publish)
    return told


def requests_of(*keys: int) -> list[SyncRequest]:
    return [SyncRequest(indexed_field(Product, "photo"), str(key)) for key in keys]


@pytest.mark.usefixtures("recorder")
def test_requests_and_messages_name_the_database_of_their_rows(
    published: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = type("VisualSnoop", (), {"image_id": "{database}/{pk}"})
    monkeypatch.setattr(Product, "VisualSnoop", names)
    monkeypatch.setattr(options, "_cache", {})
    written = requests.request_sync_skipping_locked(requests_of(1, 2, 2), using="other")
    there = SyncRecord.objects.using("other")
    assert set(written) == set(there.values_list("pk", flat=True))
    assert set(there.values_list("image_id", flat=True)) == {"other/1", "other/2"}
    assert (
        requests.request_sync_skipping_locked(requests_of(3), using="other", dispatch=False) != []
    )
    assert there.count() == 3
    there.update(due_at=None, reason_code="undecodable")
    assert requests.retry_failed(there.all()) == 3
    assert not there.filter(due_at=None).exists()
    requests.request_again(there.all()[0], using="other")
    assert published == [("other", 2), ("other", 3), ("other", 1)]
    assert not SyncRecord.objects.exists()


@pytest.mark.usefixtures("recorder")
def test_one_message_tells_of_a_transaction(published: list[tuple[str, int]]) -> None:
    with transaction.atomic():
        for key in (1, 2, 3):
            requests.request_sync(requests_of(key), using="default")
        with transaction.atomic():
            requests.request_sync(requests_of(3, 4), using="default")
        requests.request_sync(requests_of(5), using="other")
        assert published == [("other", 1)]
    assert published == [("other", 1), ("default", 4)]
    assert requests.request_sync([], using="default") == []
    assert len(published) == 2


def test_what_is_renewed_is_looked_at_again(recorder: RecorderCollection) -> None:
    rows = [product(number) for number in (1, 2, 3)]
    sweep(using="default")
    first_two = Q(pk__in=[record_of(row).pk for row in rows[:2]])
    assert len(requests.requeue_skipping_locked(SyncRecord.objects.all(), first_two)) == 2
    assert [record_of(row).state for row in rows] == [State.WAITING, State.WAITING, State.IN_SYNC]
    assert sweep(using="default").in_sync == 2


def test_trying_again_counts_what_has_failed(published: list[tuple[str, int]]) -> None:
    failing(3)
    record = failing(2, due_at=None)[0]
    before = SyncRecord.objects.get(pk=record.pk)
    assert requests.retry_failed(SyncRecord.objects.all(), dispatch=False) == 5
    assert published == []
    after = SyncRecord.objects.get(pk=record.pk)
    assert after.generation != before.generation
    assert after.due_at is not None
    assert after.requested_at == before.requested_at
    assert (after.attempts, after.abandoned) == (0, 0)


def test_what_is_requested_again_begins_anew(published: list[tuple[str, int]]) -> None:
    (before,) = failing(1, abandoned=2, reason="because", lease=1)
    SyncRecord.objects.all().delete()
    for _ in ("gone", "there"):
        record = SyncRecord.objects.filter(pk=before.pk).first() or before
        record.attempts, record.abandoned, record.reason_code = 7, 7, "unreachable"
        generation = record.generation
        requests.request_again(record, using="default")
        after = SyncRecord.objects.get(pk=before.pk)
        assert (after.attempts, after.abandoned) == (0, 0)
        assert (after.reason_code, after.reason, after.lease) == ("", "", None)
        assert after.generation != generation
        assert after.state == State.WAITING
    assert published == [("default", 1), ("default", 1)]


def test_many_are_renewed_by_few_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BATCH_SIZE", 10)
    failing(25)
    renewed: list[int] = []
    renew = requests.requeue
    monkeypatch.setattr(requests, "requeue", lambda records: renewed.append(renew(records)))
    assert len(requests.requeue_skipping_locked(SyncRecord.objects.all(), Q())) == 25
    assert renewed == [10, 10, 5]
