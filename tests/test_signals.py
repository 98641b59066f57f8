from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.client.exceptions import ImageRefusedError, TransportError
from django_visualsnoop.signals import image_sync_failed, image_synced
from django_visualsnoop.sync import bring_home, sweep
from tests.fixtures import product, record_of
from tests.testapp.models import FeaturedProduct, Product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.dispatch import Signal

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


@contextmanager
def received(signal: Signal) -> Iterator[list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs)

    signal.connect(receiver)
    try:
        yield told
    finally:
        signal.disconnect(receiver)


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
        recorder.fail_with(ImageRefusedError("It is no picture.", reason="undecodable"))
        bring_home([record_of(row).pk], using="default")
    passing, lasting = told
    assert (passing["reason_code"], passing["reason"]) == ("unreachable", "connection refused")
    assert passing["retry_in"] > 0
    assert passing["record"].image_id == f"testapp.product.photo:{row.pk}"
    assert (lasting["reason_code"], lasting["retry_in"]) == ("undecodable", None)


def test_a_receiver_that_breaks_changes_nothing(recorder: RecorderCollection) -> None:
    def broken(**kwargs: Any) -> None:
        raise ZeroDivisionError

    image_synced.connect(broken)
    try:
        product()
        assert sweep(using="default").agreed == 1
    finally:
        image_synced.disconnect(broken)
