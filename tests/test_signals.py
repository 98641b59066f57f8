from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError

from django_visualsnoop.client.exceptions import ImageRefusedError, TransportError
from django_visualsnoop.signals import image_sync_failed, image_synced, swept
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.worker import process_records, sweep
from tests.fixtures import grow_old, lose, product, record_of
from tests.receivers import received
from tests.testapp.models import FeaturedProduct, Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


def test_an_image_that_was_stored_and_then_removed(recorder: RecorderCollection) -> None:
    with received(image_synced) as told:
        row = FeaturedProduct.objects.get(pk=product().pk)
        sweep(using="default")
        row.delete()
        sweep(using="default")
    assert [(one["sender"], one["stored"], one["using"]) for one in told] == [
        (Product, True, "default"),
        (Product, False, "default"),
    ]


def test_a_failure_says_why_and_when_it_is_tried_again(recorder: RecorderCollection) -> None:
    row = product()
    with received(image_sync_failed) as told:
        recorder.fail_with(TransportError("connection refused"))
        sweep(using="default")
        grow_old()
        recorder.fail_with(ImageRefusedError("It is no picture.", reason="undecodable"))
        process_records([record_of(row).pk], using="default")
    passing, lasting = told
    assert (passing["reason_code"], passing["reason"]) == ("unreachable", "connection refused")
    assert passing["retry_in"] > 0
    assert passing["record"].image_id == f"testapp.product.photo:{row.pk}"
    assert (lasting["reason_code"], lasting["retry_in"]) == ("undecodable", None)


def test_a_sweep_says_what_it_came_to(recorder: RecorderCollection) -> None:
    product(1)
    lose(product(2).photo)
    grow_old()
    with received(swept) as told:
        sweep(using="default")
        product(3)
        recorder.fail_with(TransportError("connection refused"))
        sweep(using="default")
        sweep(using="default")  # one that finds nothing to do is a sign of life, too
    assert all(one["using"] == "default" and one["seconds"] >= 0 for one in told)
    assert [(one["in_sync"], one["retrying"], one["failed"]) for one in told] == [
        (1, 0, 1),
        (0, 1, 0),
        (0, 0, 0),
    ]


def test_a_sweep_that_is_cut_short_says_nothing(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*args: object, **kwargs: object) -> None:
        raise OperationalError("the database is down")

    monkeypatch.setattr(worker, "process_records", down)
    with received(swept) as told, pytest.raises(OperationalError):
        sweep(using="default")
    assert told == []


def test_a_receiver_that_breaks_changes_nothing(recorder: RecorderCollection) -> None:
    def broken(**kwargs: object) -> None:
        raise ZeroDivisionError

    for signal in (image_synced, swept):
        signal.connect(broken)
    try:
        product()
        assert sweep(using="default").in_sync == 1
    finally:
        for signal in (image_synced, swept):
            signal.disconnect(broken)
