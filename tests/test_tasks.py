"""A save, a real broker, a real worker process, a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from django_visualsnoop import tasks
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.dispatch import MANY_RECORDS
from django_visualsnoop.outbox.retry import FIRST_DELAY
from django_visualsnoop.tasks import audit, sync_all, sync_records
from tests.fixtures import picture, product, record_of
from tests.services import require
from tests.testapp.models import Product
from tests.workers import celery_app, wait_for, wait_until_all_in_sync, worker

if TYPE_CHECKING:
    from pathlib import Path

    from django_visualsnoop.collections.recorder import RecorderCollection


@pytest.mark.django_db
def test_the_sweeper_is_a_task(recorder: RecorderCollection) -> None:
    product(1)
    product(2)
    assert sync_all("default", 1) == 1
    assert sync_all() == 1
    assert len(recorder.images) == 2


@pytest.mark.django_db
def test_the_audit_is_a_task(recorder: RecorderCollection) -> None:
    row = product(1)
    Product._base_manager.filter(pk=row.pk).update(photo="")
    sync_all()
    assert audit() == 0
    Product._base_manager.filter(pk=row.pk).update(photo=str(row.photo))
    assert audit("default", 1) == 1
    assert record_of(row).state == SyncRecord.State.WAITING


@pytest.mark.django_db
def test_a_task_processes_the_records_of_its_message(recorder: RecorderCollection) -> None:
    row = product(1)
    sync_records("default", [str(record_of(row).pk), "6f0a9bd2-6d0c-5e5c-8c1e-1c8f6a1d7f43"])
    assert len(recorder.images) == 1


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.parametrize(
    "broker",
    [
        pytest.param("redis", marks=pytest.mark.service("redis")),
        pytest.param("rabbitmq", marks=pytest.mark.service("rabbitmq")),
    ],
)
def test_a_worker_process_brings_every_change_home(
    broker: str, media: Path, tmp_path: Path
) -> None:
    with celery_app(require(broker)) as app, worker(app, tmp_path):
        with transaction.atomic():
            first, copy, other = product(1), product(1), product(2)
        wait_until_all_in_sync()
        assert list(Product.objects.copies_of(first)) == [copy]
        assert [set(group) for group in Product.objects.duplicates()] == [{first, copy}]

        copy.photo = picture(2)
        copy.save()
        wait_until_all_in_sync()
        assert list(Product.objects.copies_of(copy)) == [other]
        assert list(Product.objects.copies_of(first)) == []

        Product.objects.filter(pk=other.pk).delete()
        wait_for(lambda: SyncRecord.objects.count() == 2)
        assert list(Product.objects.copies_of(copy)) == []


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.service("redis")
def test_a_worker_process_writes_down_why_an_image_is_refused(media: Path, tmp_path: Path) -> None:
    with celery_app(require("redis")) as app, worker(app, tmp_path):
        row = Product.objects.create(photo=_text())
        wait_for(lambda: record_of(row).state == SyncRecord.State.FAILED)
        assert record_of(row).reason_code in ("undecodable", "unsupported")
        assert record_of(row).reason


def _text() -> object:
    from django.core.files.base import ContentFile

    return ContentFile(b"This is a text.", "text.png")


@pytest.mark.django_db
def test_a_task_that_ends_before_all_is_done_sends_one_in_its_place(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, object]] = []
    monkeypatch.setattr(dispatch, "dispatch_due_again", lambda using: sent.append(("due", using)))
    monkeypatch.setattr(
        dispatch,
        "dispatch_reindex",
        lambda using, token, *, count=1, countdown=None: sent.append(("reindex", countdown)),
    )
    monkeypatch.setattr(tasks, "DUE_SECONDS", 0.0)
    product(1)
    tasks.sync_due("default")
    tasks.sync_due("default")
    assert sent == [("due", "default")]
    for seconds, countdown in ((0.0, None), (7.0, 7.0)):
        monkeypatch.setattr(tasks, "process_chunks", lambda *_, found=seconds, **__: found)
        tasks.reindex_chunks("default", "5")
        assert sent.pop() == ("reindex", countdown)
    monkeypatch.setattr(tasks, "process_chunks", lambda *_, **__: None)
    tasks.reindex_chunks("default", "5")
    assert sent == [("due", "default")]
    monkeypatch.setattr(tasks, "process_chunks", _reach_the_limit)
    tasks.reindex_chunks("default", "5")
    assert sent[1:] == [("reindex", FIRST_DELAY)]


def _reach_the_limit(*_: object, **__: object) -> None:
    raise SoftTimeLimitExceeded


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.service("redis")
def test_rows_that_were_created_by_hundreds_are_all_brought_home(
    media: Path, tmp_path: Path
) -> None:
    with celery_app(require("redis")) as app, worker(app, tmp_path):
        count = MANY_RECORDS + 1
        Product.objects.bulk_create(Product(photo=picture(1)) for _ in range(count))
        wait_until_all_in_sync()
        assert SyncRecord.objects.count() == count
