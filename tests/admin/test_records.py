"""Sync records in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync import worker
from tests.fixtures import grow_old, picture, product, record_of
from tests.testapp.models import Article, Document, Product

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    LoggedIn = Callable[..., Client]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]

RECORDS = "/admin/visualsnoop/syncrecord/"
State = SyncRecord.State


def one_of_each() -> dict[State, SyncRecord]:
    rows = [product(number) for number in range(2)]
    broken = Product.objects.create(photo=ContentFile(b"", "empty.png"))
    grow_old()
    worker.sweep(using="default")
    retrying = record_of(rows[1])
    SyncRecord.objects.filter(pk=retrying.pk).update(
        generation=1, due_at=timezone.now(), reason_code="unreachable", reason="No answer."
    )
    found = {
        State.IN_SYNC: record_of(rows[0]),
        State.RETRYING: record_of(rows[1]),
        State.FAILED: record_of(broken),
        State.WAITING: record_of(product(3)),
    }
    assert {state: record.state for state, record in found.items()} == {s: s for s in State}
    return found


def shown(client: Client, query: str = "") -> set[Any]:
    response = client.get(RECORDS + query)
    assert response.status_code == 200
    return {record.pk for record in response.context["cl"].result_list}


def run(client: Client, *records: SyncRecord) -> Any:
    keys = [str(record.pk) for record in records]
    return client.post(RECORDS, {"action": "try_again", "_selected_action": keys}, follow=True)


@pytest.mark.parametrize("state", State)
def test_filter_by_state(state: State, logged_in: LoggedIn) -> None:
    records = one_of_each()
    assert shown(logged_in(), f"?state={state.value}") == {records[state].pk}


def test_an_unknown_state_filters_nothing(logged_in: LoggedIn) -> None:
    assert len(one_of_each()) == len(shown(logged_in(), "?state=asleep"))


def test_filters_and_search(logged_in: LoggedIn) -> None:
    first, second = record_of(product(1)), record_of(product(2))
    scan = record_of(Document.objects.create(code="x", scan=picture(1)), "scan")
    cover = record_of(Article.objects.create(cover=picture(1)), "cover")
    client = logged_in()
    assert shown(client, "?collection=archive") == {scan.pk}
    assert shown(client, "?model=testapp.article") == {cover.pk}
    assert shown(client, f"?q={second.object_id}") >= {second.pk}
    assert shown(client, f"?q={second.image_id}") == {second.pk}
    assert shown(client, "?q=testapp.product.photo") == {first.pk, second.pk}


def test_nobody_adds_changes_or_deletes(logged_in: LoggedIn) -> None:
    record = record_of(product(1))
    client = logged_in()
    page = client.get(f"{RECORDS}{record.pk}/change/")
    assert 'name="_save"' not in page.text
    assert client.get(f"{RECORDS}add/").status_code == 403
    assert client.post(f"{RECORDS}{record.pk}/change/", {"collection": "x"}).status_code == 403
    assert client.post(f"{RECORDS}{record.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "delete_selected" not in client.get(RECORDS).text


def test_the_row_is_linked(logged_in: LoggedIn) -> None:
    row = Document.objects.create(code="a_b", scan=picture(1))
    page = logged_in().get(f"{RECORDS}{record_of(row, 'scan').pk}/change/")
    assert '<a href="/admin/testapp/document/a_5Fb/change/">testapp.document a_b</a>' in page.text


def test_a_row_of_a_model_that_is_gone(logged_in: LoggedIn) -> None:
    record = record_of(product(1))
    SyncRecord.objects.update(model="testapp.gone")
    assert logged_in().get(f"{RECORDS}{record.pk}/change/").status_code == 200


def test_try_again(logged_in: LoggedIn) -> None:
    records = one_of_each()
    with sync_paused():
        Product.objects.filter(pk=records[State.FAILED].object_id).update(photo="")
    response = run(logged_in(), *records.values())
    assert "2 failed records will be retried." in response.text
    for state in (State.FAILED, State.RETRYING):
        record = SyncRecord.objects.get(pk=records[state].pk)
        assert record.due_at is not None
        assert record.attempts == 0
    for state in (State.IN_SYNC, State.WAITING):
        before, after = records[state], SyncRecord.objects.get(pk=records[state].pk)
        assert (after.generation, after.due_at) == (before.generation, before.due_at)
    worker.sweep(using="default")
    assert {record.state for record in SyncRecord.objects.all()} == {State.IN_SYNC}


def test_nothing_failed(logged_in: LoggedIn) -> None:
    response = run(logged_in(), record_of(product(1)))
    assert "0 failed records will be retried." in response.text


def test_who_may_only_look_cannot_try_again(logged_in: LoggedIn) -> None:
    record = one_of_each()[State.FAILED]
    client = logged_in("view_syncrecord")
    run(client, record)
    assert "try_again" not in client.get(RECORDS).text
    assert SyncRecord.objects.get(pk=record.pk).state == State.FAILED


def test_who_may_change_can_try_again(logged_in: LoggedIn) -> None:
    record = one_of_each()[State.FAILED]
    run(logged_in("view_syncrecord", "change_syncrecord"), record)
    assert SyncRecord.objects.get(pk=record.pk).state == State.RETRYING
