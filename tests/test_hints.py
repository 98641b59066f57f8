"""Publishing neither fails nor holds up the commit."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from django_visualsnoop import hints
from django_visualsnoop.hints import RECORDS_PER_HINT, Publisher
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.signals import hint_failed
from tests.fixtures import product, record_of
from tests.receivers import received
from tests.workers import celery_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.collections.recorder import RecorderCollection


@pytest.fixture
def silent_broker() -> Iterator[str]:
    """An address that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def refused() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"redis://127.0.0.1:{port}/0"


def ids(count: int = 1) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


def test_a_broker_takes_hints_in_messages_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    with celery_app("memory://") as app:
        task = app.tasks[hints.TASK]
        monkeypatch.setattr(task, "apply_async", lambda args, **kwargs: sent.append(len(args[1])))
        assert Publisher().publish("default", ids(RECORDS_PER_HINT + 1))
    assert sent == [RECORDS_PER_HINT, 1]


@pytest.mark.service("redis")
def test_hints_arrive_at_a_broker() -> None:
    from tests.services import require

    with celery_app(require("redis")) as app:
        assert Publisher().publish("default", ids())
        with app.connection_for_read() as connection:
            message = connection.SimpleQueue(app.conf.task_default_queue).get(timeout=10)
            message.ack()
    assert message.headers["task"] == hints.TASK


@pytest.mark.service("redis")
def test_a_broker_that_refuses_is_left_alone_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    publisher = Publisher()
    with celery_app(refused()), caplog.at_level(logging.WARNING, "django_visualsnoop.hints"):
        assert not publisher.publish("default", ids())
        assert not publisher.publish("default", ids())
    (record,) = caplog.records  # the second did not try
    assert "Nothing is lost" in record.getMessage()
    assert "visualsnoop_sync" in record.getMessage()


def test_receivers_hear_of_hints_that_were_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise ConnectionRefusedError("secret://user:password@broker")

    publisher = Publisher()
    with celery_app("memory://") as app, received(hint_failed) as told:
        monkeypatch.setattr(app.tasks[hints.TASK], "apply_async", refuse)
        assert not publisher.publish("default", ids(2))
        assert not publisher.publish("other", ids(3))
    assert [(one["using"], one["count"], one["reason"]) for one in told] == [
        ("default", 2, "refused"),
        ("other", 3, "resting"),
    ]
    assert "password" not in repr(told)


@pytest.mark.service("redis")
def test_a_broker_that_says_nothing_holds_up_a_commit_for_a_bounded_time(
    silent_broker: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hints, "MAX_WAIT", 0.2)
    monkeypatch.setattr(hints, "PAUSE_AFTER_FAILURE", 0.0)
    publisher = Publisher()
    with celery_app(silent_broker), received(hint_failed) as told:
        for _ in range(hints.MAX_STUCK + 3):
            assert not publisher.publish("default", ids())
    assert [one["reason"] for one in told] == ["silent"] * hints.MAX_STUCK + ["resting"] * 3
    assert len(publisher._stuck) == hints.MAX_STUCK
    assert "did not answer within 0.2 s" in caplog.text


@pytest.mark.service("redis")
def test_hints_that_leave_or_are_not_needed_are_no_failures() -> None:
    from tests.services import require

    with celery_app(require("redis")), received(hint_failed) as told:
        assert Publisher().publish("default", ids())
    with celery_app("memory://", task_always_eager=True), received(hint_failed) as told_eagerly:
        assert not Publisher().publish("default", ids(), countdown=5)
    assert told == told_eagerly == []


@pytest.mark.service("redis")
def test_a_receiver_that_breaks_does_not_break_the_commit() -> None:
    def broken(**kwargs: object) -> None:
        raise ZeroDivisionError

    hint_failed.connect(broken)
    try:
        with celery_app(refused()):
            assert not Publisher().publish("default", ids())
    finally:
        hint_failed.disconnect(broken)


@pytest.mark.django_db(transaction=True)
@pytest.mark.service("redis")
def test_a_save_succeeds_without_a_broker(recorder: RecorderCollection) -> None:
    with celery_app(refused()):
        row = product()
    assert record_of(row).state == SyncRecord.State.WAITING


@pytest.mark.django_db(transaction=True)
def test_an_eager_project_syncs_on_commit(recorder: RecorderCollection) -> None:
    with celery_app("memory://", task_always_eager=True):
        row = product()
    assert record_of(row).state == SyncRecord.State.AGREES
    assert len(recorder.images) == 1


@pytest.mark.django_db(transaction=True)
def test_an_eager_project_does_not_retry_in_the_request(recorder: RecorderCollection) -> None:
    from django_visualsnoop.client.exceptions import TransportError

    with celery_app("memory://", task_always_eager=True), recorder.failing(TransportError("down")):
        row = product()
    assert record_of(row).state == SyncRecord.State.RETRYING
    assert record_of(row).attempts == 1


def test_a_forked_process_starts_afresh() -> None:
    hints._publisher._quiet_until = float("inf")
    child = os.fork()
    if child == 0:
        os._exit(0 if hints._publisher._quiet_until == 0.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
