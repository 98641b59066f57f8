from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.server.api_v1 import responses
from django_visualsnoop.server.http import idempotency
from django_visualsnoop.server.http.vshmac import NEWEST, OLDEST
from django_visualsnoop.server.models import StoredResponse
from tests.collections.contract import image
from tests.server.hosting import API, Tenant, call, signed

pytestmark = pytest.mark.django_db


def test_a_repeat_gets_the_same_answer(ann: Tenant) -> None:
    headers = signed(ann, "POST", f"{API}/image/a")
    first = call(None, "POST", "/image/a", image(1), headers)
    assert first.status == 201
    with CaptureQueriesContext(connection) as queries:
        again = call(None, "POST", "/image/a", image(1), headers)
    assert again.body == first.body
    assert len(queries) == 2
    # It is the same request even when its image is gone; another one is not.
    call(ann, "DELETE", "/image/a")
    assert call(None, "POST", "/image/a", image(1), headers).body == first.body
    assert call(ann, "GET", "/image/a").status == 404
    assert call(None, "POST", "/image/a", image(2), headers).status == 201


def test_a_conflict_is_an_outcome_too(ann: Tenant) -> None:
    call(ann, "PUT", "/image/a", image(1))
    headers = signed(ann, "POST", f"{API}/image/a")
    assert call(None, "POST", "/image/a", image(1), headers).status == 409
    call(ann, "DELETE", "/image/a")
    assert call(None, "POST", "/image/a", image(1), headers).status == 409
    later = signed(ann, "POST", f"{API}/image/a", datetime.now(UTC) + timedelta(seconds=5))
    assert call(None, "POST", "/image/a", image(1), later).status == 201


def test_a_failure_leaves_nothing(ann: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = signed(ann, "POST", f"{API}/image")

    def fails(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(responses, "build_image", fails)
        assert call(None, "POST", "/image", image(1), headers).status == 500
    assert not StoredResponse.objects.exists()
    assert not IndexedImage.objects.exists()
    assert call(None, "POST", "/image", image(1), headers).status == 201


def test_who_comes_second_waits_and_gets_the_firsts_answer() -> None:
    """As it is once the first has committed."""
    StoredResponse.objects.create(fingerprint="f", body='{"status": 201}', created=timezone.now())
    assert idempotency.respond_once("f", "0123abcd", dict) == {"status": 201}


def test_who_comes_second_does_it_if_the_first_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    StoredResponse.objects.create(fingerprint="f", body="", created=timezone.now())

    def known(fingerprint: str) -> None:
        StoredResponse.objects.all().delete()

    monkeypatch.setattr(idempotency, "find_response", known)
    assert idempotency.respond_once("f", "0123abcd", lambda: {"status": 201}) == {"status": 201}


def test_old_ones_are_deleted_now_and_then(ann: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    for name, age in (("old", idempotency.RETAINED), ("young", OLDEST + NEWEST)):
        StoredResponse.objects.create(fingerprint=name, body="{}", created=now - age)
    monkeypatch.setattr(idempotency, "_purged_at", time.monotonic())
    call(ann, "POST", "/image", image(1))
    assert StoredResponse.objects.count() == 3
    monkeypatch.setattr(
        idempotency, "_purged_at", time.monotonic() - idempotency.PURGE_EVERY_SECONDS
    )
    call(ann, "POST", "/image", image(2))
    assert set(StoredResponse.objects.values_list("pk", flat=True)) >= {"young"}
    assert StoredResponse.objects.count() == 3
    with transaction.atomic():
        idempotency.purge_responses()
    assert StoredResponse.objects.count() == 3
