"""The view for probes tells little, and everyone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from django_visualsnoop.health import MAX_DELAY
from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.models import SyncRecord
from tests.down import PASSWORD, database_down
from tests.fixtures import product

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])

URL = "/healthz/visualsnoop/"


def late(seconds: float, using: str = "default") -> None:
    due = timezone.now() - timedelta(seconds=seconds)
    SyncRecord.objects.using(using).update(due_at=due)


def test_all_is_well(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(5 + 2 * len(all_indexed_fields())):
        answer = client.get(URL)
    assert (answer.status_code, answer.json()) == (200, {"healthy": True, "problems": []})


def test_something_is_down(recorder: RecorderCollection, client: Client) -> None:
    row = product(1)
    late(MAX_DELAY + 60)
    later = timezone.now() + timedelta(hours=1)
    failing = product(2)
    SyncRecord.objects.filter(object_id=failing.pk).update(
        due_at=later, attempts=5, reason_code="unreachable", reason="No route to 10.1.2.3"
    )
    answer = client.get(URL)
    assert answer.status_code == 503
    # Codes and counts: no image id, no reason, no database.
    assert answer.json() == {
        "healthy": False,
        "problems": [{"code": "overdue", "count": 1}, {"code": "unreachable", "count": 1}],
    }
    assert row.pk


@pytest.mark.parametrize("healthy", [True, False])
def test_no_answer_is_kept(recorder: RecorderCollection, client: Client, healthy: bool) -> None:
    if not healthy:
        product(1)
        late(MAX_DELAY + 60)
    assert "no-store" in client.get(URL).headers["Cache-Control"]


def test_only_reading(client: Client) -> None:
    assert client.head(URL).status_code == 200
    assert client.head(URL).content == b""
    assert client.post(URL).status_code == 405


def test_the_limits_are_those_of_the_urls(recorder: RecorderCollection, client: Client) -> None:
    product(1)
    SyncRecord.objects.all()[0].save(using="other")
    late(120, "other")
    late(120)
    assert client.get("/healthz/other/").status_code == 503
    assert client.get(URL).status_code == 200


def test_no_login_is_asked_for(settings: Settings, client: Client) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert client.get(URL).status_code == 200


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_database_that_is_down(client: Client) -> None:
    from django.db import connections

    # As under ATOMIC_REQUESTS, which opens a transaction before the view is called.
    connections["other"].settings_dict["ATOMIC_REQUESTS"] = True
    try:
        with database_down("other"):
            answer = client.get("/healthz/other/")
    finally:
        connections["other"].settings_dict["ATOMIC_REQUESTS"] = False
    assert answer.status_code == 503
    assert answer.json()["problems"] == [{"code": "database", "count": None}]
    assert PASSWORD not in answer.content.decode()
