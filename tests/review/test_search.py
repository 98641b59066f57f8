"""Searches for duplicates in requests, in tasks, and by the command."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from django_visualsnoop import tasks
from django_visualsnoop.client.exceptions import TransportError
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.models import ReviewGroup, ReviewSearch
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.review import search as searching
from django_visualsnoop.review.search import (
    count_changes,
    list_waiting,
    request_search,
    run_search,
    search_within,
)
from tests.admin.pages import copies
from tests.testapp.models import Product

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db
State = ReviewSearch.State


@pytest.fixture
def engine(media: object, settings: Settings) -> None:
    settings.VISUALSNOOP = {
        alias: {"OPTIONS": {"embedding": None}} for alias in ("default", "archive")
    }


def members() -> list[set[str]]:
    return [
        set(group.members.values_list("object_id", flat=True))
        for group in ReviewGroup.objects.order_by("number")
    ]


@pytest.mark.usefixtures("recorder")
def test_within_a_budget_that_suffices() -> None:
    one, copy, _ = copies(1, 1, 2)
    search = search_within(Product, Budget(), using="default")
    assert (search.state, search.complete, search.progress) == (State.FINISHED, True, 1.0)
    assert members() == [{str(one.pk), str(copy.pk)}]
    group = ReviewGroup.objects.get()
    assert group.free_bytes == one.photo.size
    assert group.similarity == 1.0


@pytest.mark.usefixtures("recorder")
def test_a_task_does_the_rest() -> None:
    copies(1, 1, 2, 2)
    search = search_within(Product, Budget(searches=1), using="default")
    assert (search.state, search.complete) == (State.WAITING, False)
    assert len(members()) == 1
    tasks.find_duplicates("default", ["testapp.product"])
    search.refresh_from_db()
    assert (search.state, search.complete) == (State.FINISHED, True)
    assert len(members()) == 2


@pytest.mark.usefixtures("recorder")
def test_two_requests_at_once_make_one_search() -> None:
    first, second = (request_search(Product, using="default") for _ in range(2))
    assert first == second
    assert run_search(Product, using="default")
    assert not run_search(Product, using="default")


@pytest.mark.usefixtures("recorder")
def test_a_search_whose_process_is_gone_is_taken_over() -> None:
    copies(1, 1)
    request_search(Product, using="default")
    ReviewSearch.objects.update(state=State.RUNNING, lease=1, heartbeat_at=timezone.now())
    assert list_waiting("default") == []
    assert not run_search(Product, using="default")
    long_ago = timezone.now() - searching.ABANDONED_AFTER - timedelta(seconds=1)
    ReviewSearch.objects.update(heartbeat_at=long_ago)
    assert list_waiting("default") == ["testapp.product"]
    assert run_search(Product, using="default")
    assert len(members()) == 1


@pytest.mark.usefixtures("recorder")
def test_who_lost_the_lease_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    copies(1, 1)
    find = searching.find_groups

    def find_slowly(*args: object, **kwargs: object) -> object:
        ReviewSearch.objects.update(lease=1)
        return find(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(searching, "find_groups", find_slowly)
    request_search(Product, using="default")
    run_search(Product, using="default")
    assert members() == []
    assert ReviewSearch.objects.get().state == State.RUNNING


def test_a_search_that_fails_keeps_the_groups(recorder: RecorderCollection) -> None:
    copies(1, 1)
    search = search_within(Product, Budget(), using="default")
    with recorder.failing(TransportError("No answer from images.example.com.")):
        request_search(Product, using="default")
        tasks.find_duplicates("default", ["testapp.product"])
    search.refresh_from_db()
    assert (search.state, search.reason) == (State.FAILED, "No answer from images.example.com.")
    assert len(members()) == 1


def test_a_search_that_is_interrupted_goes_on(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies(1, 1)
    sent = []
    search = request_search(Product, using="default")
    monkeypatch.setattr(dispatch, "dispatch_search", lambda *args: sent.append(args))
    with recorder.failing(SoftTimeLimitExceeded()):
        tasks.find_duplicates("default", ["testapp.product"])
        search.refresh_from_db()
        assert search.state == State.WAITING
        assert sent == [("default", "testapp.product")]
        # But not for ever.
        for _ in range(4):
            tasks.find_duplicates("default", ["testapp.product"])
    search.refresh_from_db()
    assert search.state == State.FAILED


@pytest.mark.django_db(transaction=True)
def test_workers_hear_of_a_search_when_it_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr(
        "django_visualsnoop.review.search.dispatch_search", lambda *a: sent.append(a)
    )
    with transaction.atomic():
        request_search(Product, using="default")
        assert sent == []
    assert sent == [("default", "testapp.product")]
    request_search(Product, using="default")
    assert len(sent) == 2


def test_a_model_that_is_gone() -> None:
    tasks.find_duplicates("default", ["testapp.nothing"])


@pytest.mark.usefixtures("engine")
def test_changes_since_the_search() -> None:
    one, *_ = copies(1, 1)
    search = search_within(Product, Budget(), using="default")
    assert count_changes(search) == 0
    copies(2, 3)
    assert count_changes(search) == 2
    one.delete()
    copies()
    assert count_changes(search) == 2


@pytest.mark.usefixtures("recorder")
def test_the_sweeper_sends_lost_searches_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    request_search(Product, using="default")
    monkeypatch.setattr(dispatch, "dispatch_search", lambda *args: sent.append(args))
    tasks.sync_all()
    assert sent == [("default", "testapp.product")]


@pytest.mark.usefixtures("recorder")
def test_the_command_stores_the_groups() -> None:
    copies(1, 1)
    call_command("visualsnoop_duplicates", "testapp.Product", review=True, verbosity=0)
    assert len(members()) == 1
    assert ReviewSearch.objects.get(model="testapp.product").complete
