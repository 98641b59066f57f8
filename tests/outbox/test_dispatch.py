"""Publishing neither fails nor holds up the commit."""

from __future__ import annotations

import logging
import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery, Task
from celery.signals import after_task_publish, before_task_publish
from django.db import connections, transaction

from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.dispatch import RECORDS_PER_MESSAGE, Dispatcher
from django_visualsnoop.signals import dispatch_failed
from tests.brokers import Proxy, refusing, resetting, silent
from tests.fixtures import product, record_of
from tests.receivers import received
from tests.workers import celery_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_visualsnoop.collections.recorder import RecorderCollection

LOGGER = "django_visualsnoop.outbox.dispatch"
SCHEMES = [
    pytest.param("redis", marks=pytest.mark.service("redis")),
    pytest.param("amqp", marks=pytest.mark.service("rabbitmq")),
]


#: Else Celery tries a connection for some seconds, whatever ``retry=False`` says.
QUICK: dict[str, object] = {
    "broker_transport_options": {"max_retries": 1, "interval_start": 0},
    "broker_connection_timeout": 0.5,  # 4 s else
}


def ids(count: int = 1) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which a dispatcher rests."""
    clock = Clock()
    monkeypatch.setattr(dispatch, "time", clock)
    return clock


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "MAX_WAIT", 0.2)


class Sender:
    """Stands for ``_send``: does what it is told, and says when it has."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.calls = 0

    def __call__(self, *_: object) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    sender = Sender()
    monkeypatch.setattr(dispatch, "_send", sender)
    with celery_app("memory://"):
        yield sender


def publishing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "visualsnoop-dispatch"]


def wait_for_dispatch() -> None:
    for thread in publishing():
        thread.join()


@pytest.fixture(autouse=True)
def _no_thread_outlives_its_test() -> Iterator[None]:
    yield
    wait_for_dispatch()


def test_a_broker_takes_records_in_messages_of_bounded_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[int] = []
    with celery_app("memory://") as app:
        task = app.tasks[dispatch.TASK]
        monkeypatch.setattr(task, "apply_async", lambda args, **kwargs: sent.append(len(args[1])))
        assert Dispatcher().dispatch_records("default", ids(RECORDS_PER_MESSAGE + 1))
    assert sent == [RECORDS_PER_MESSAGE, 1]


@pytest.mark.parametrize(
    "service",
    [
        pytest.param("redis", marks=pytest.mark.service("redis")),
        pytest.param("rabbitmq", marks=pytest.mark.service("rabbitmq")),
    ],
)
def test_messages_arrive_at_a_broker(service: str) -> None:
    from tests.services import require

    with celery_app(require(service)) as app:
        assert Dispatcher().dispatch_records("default", ids())
        assert arrived(app) == [dispatch.TASK]


def arrived(app: Celery, count: int = 1) -> list[str]:
    """Take this many messages from an app's queue, then the queue; return their tasks."""
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(app.conf.task_default_queue)
        messages = [queue.get(timeout=10) for _ in range(count)]
        for message in messages:
            message.ack()
        app.amqp.queues[app.conf.task_default_queue](connection).delete()
    return [message.headers["task"] for message in messages]


def test_receivers_hear_of_messages_that_were_not_sent(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise ConnectionRefusedError("secret://user:password@broker")

    dispatcher = Dispatcher()
    with celery_app("memory://") as app, received(dispatch_failed) as told:
        monkeypatch.setattr(app.tasks[dispatch.TASK], "apply_async", refuse)
        assert not dispatcher.dispatch_records("default", ids(2))
        assert not dispatcher.dispatch_records("other", ids(3))
        clock.now += dispatch.PAUSE_AFTER_FAILURE + 1
        assert not dispatcher.dispatch_records("default", ids(4))  # which nobody waits for
        wait_for_dispatch()
    assert [(one["using"], one["count"], one["reason"]) for one in told] == [
        ("default", 2, "refused"),
        ("other", 3, "resting"),
        ("default", 4, "refused"),
    ]
    assert "password" not in repr(told)


class TestTheCallersThread:
    """What is local to a thread or a context is there while a message is made.

    Receivers are not connected weakly: when such a one has died, Celery 5.4 makes a new list of
    them, of which the app does not know.
    """

    def test_receivers_run_in_it(self) -> None:
        context: ContextVar[str] = ContextVar("tenant")
        local = threading.local()
        seen: list[object] = []

        def receive(headers: dict[str, object], **_: object) -> None:
            seen.append((threading.get_ident(), context.get(), local.tenant))
            headers["tenant"] = local.tenant

        context.set("ann")
        local.tenant = "ann"
        before_task_publish.connect(receive, weak=False)
        try:
            with celery_app("memory://") as app:
                assert Dispatcher().dispatch_records("default", ids())
                message = taken(app)
        finally:
            before_task_publish.disconnect(receive)
        assert seen == [(threading.get_ident(), "ann", "ann")]
        assert message.headers["tenant"] == "ann"

    def test_so_does_a_task_class_of_the_projects(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As django-tenants' does, which puts the schema of this thread into the headers."""
        local = threading.local()

        class TenantTask(Task):  # type: ignore[type-arg]
            def apply_async(self, *args: Any, **kwargs: Any) -> Any:
                kwargs["headers"] = {**kwargs.get("headers", {}), "_schema_name": local.schema}
                return super().apply_async(*args, **kwargs)

        local.schema = "bob"
        app = Celery("tenants", broker="memory://", task_cls=TenantTask, set_as_current=False)
        app.conf.task_default_queue = "tenants"
        monkeypatch.setattr(dispatch, "project_app", lambda: app)
        assert Dispatcher().dispatch_records("default", ids())
        assert taken(app).headers["_schema_name"] == "bob"
        app.close()

    def test_the_first_message_after_an_outage_is_made_there_too(
        self, clock: Clock, sender: Sender
    ) -> None:
        dispatcher = Dispatcher()
        sender.error = OSError("down")
        dispatcher.dispatch_records("default", ids())
        sender.error = None
        clock.now += dispatch.PAUSE_AFTER_FAILURE
        threads: list[str] = []

        def receive(**_: object) -> None:
            threads.append(threading.current_thread().name)

        before_task_publish.connect(receive, weak=False)
        try:
            dispatcher.dispatch_records("default", ids())
        finally:
            before_task_publish.disconnect(receive)
        wait_for_dispatch()
        assert threads == [threading.current_thread().name]

    @pytest.mark.parametrize("error", [None, OSError("down")])
    def test_what_was_not_sent_is_not_told_as_sent(
        self, sender: Sender, error: Exception | None
    ) -> None:
        sent: list[object] = []

        def receive(**_: object) -> None:
            sent.append(1)

        sender.error = error
        after_task_publish.connect(receive, weak=False)
        try:
            assert Dispatcher().dispatch_records("default", ids()) is (error is None)
        finally:
            after_task_publish.disconnect(receive)
        assert len(sent) == (error is None)

    def test_its_time_limit_passes_through(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def limited(*_: object, **__: object) -> None:
            raise SoftTimeLimitExceeded

        with celery_app("memory://") as app:
            monkeypatch.setattr(app.tasks[dispatch.TASK], "apply_async", limited)
            with pytest.raises(SoftTimeLimitExceeded):
                Dispatcher().dispatch_records("default", ids())


def taken(app: Any) -> Any:
    with app.connection_for_read() as connection:
        return connection.SimpleQueue(app.conf.task_default_queue).get(timeout=10)


@pytest.mark.django_db(transaction=True)
def test_the_thread_leaves_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport may keep its messages in a database of the project's."""
    opened: list[Any] = []

    def send(*_: object) -> None:
        connection = connections["default"]
        connection.ensure_connection()
        opened.append(connection)

    monkeypatch.setattr(dispatch, "_send", send)
    with celery_app("memory://"):
        assert Dispatcher().dispatch_records("default", ids())
        wait_for_dispatch()
    (connection,) = opened
    assert connection is not connections["default"]
    assert connection.connection is None


class TestLater:
    @pytest.fixture
    def published(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
        published: list[tuple[int, float]] = []

        def publish(using: str, record_ids: list[str], countdown: float) -> None:
            published.append((len(record_ids), countdown))

        monkeypatch.setattr(dispatch, "dispatch_records", publish)
        return published

    def test_records_share_messages(self, published: list[tuple[int, float]]) -> None:
        dispatch.dispatch_later("default", {3.0 + n / 400: ids() for n in range(400)})
        assert [count for count, _ in published] == [RECORDS_PER_MESSAGE] * (
            400 // RECORDS_PER_MESSAGE
        )
        assert published[-1][1] == 3.0 + 399 / 400

    def test_no_message_waits_for_long(self, published: list[tuple[int, float]]) -> None:
        later = {2.0: ids(), dispatch.MAX_COUNTDOWN: ids(), dispatch.MAX_COUNTDOWN + 1: ids(3)}
        dispatch.dispatch_later("default", later)
        assert published == [(2, dispatch.MAX_COUNTDOWN)]
        assert dispatch.MAX_COUNTDOWN <= 15


class TestWords:
    """What the log says of a broker that no message reaches."""

    def test_a_package_that_is_missing(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        # As kombu leaves it where redis is not installed.
        monkeypatch.setattr("kombu.transport.redis.redis", None)
        monkeypatch.setattr("django_visualsnoop.outbox.celery._is_installed", lambda module: False)
        with celery_app("redis://127.0.0.1:6379/5"):
            assert not Dispatcher().dispatch_records("default", ids())
        assert 'python -m pip install "celery[redis]"' in caplog.text
        assert "NoneType" not in caplog.text
        assert "Traceback" not in caplog.text

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_a_refused_connection(self, scheme: str, caplog: pytest.LogCaptureFixture) -> None:
        with celery_app(refusing(scheme)):  # with Celery's own settings
            assert not Dispatcher().dispatch_records("default", ids())
        assert "refused" in caplog.text
        assert "did not answer" not in caplog.text


class TestOutages:
    @pytest.fixture(autouse=True)
    def _few_retries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dispatch, "CONNECT_RETRIES", 1)

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_one_that_refuses_is_left_alone_for_a_while(
        self, scheme: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        dispatcher = Dispatcher()
        with celery_app(refusing(scheme), **QUICK), caplog.at_level(logging.WARNING, LOGGER):
            assert not dispatcher.dispatch_records("default", ids())
            assert not dispatcher.dispatch_records("default", ids())
        (record,) = caplog.records  # the second did not try
        assert "No change is lost" in record.getMessage()
        assert "visualsnoop_sync" in record.getMessage()

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_one_that_resets_connections_is_left_alone(
        self, scheme: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with resetting(scheme) as url, celery_app(url, **QUICK):
            assert not Dispatcher().dispatch_records("default", ids())
        assert "Could not send a message to Celery" in caplog.text

    @pytest.mark.parametrize("scheme", SCHEMES)
    @pytest.mark.usefixtures("impatient")
    def test_one_that_says_nothing_gets_few_threads_and_one_wait(
        self, scheme: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(dispatch, "PAUSE_AFTER_FAILURE", 0.0)
        dispatcher = Dispatcher()
        with silent(scheme) as url, celery_app(url, **QUICK), received(dispatch_failed) as told:
            for _ in range(dispatch.MAX_THREADS + 3):
                assert not dispatcher.dispatch_records("default", ids())
            assert len(publishing()) == dispatch.MAX_THREADS
        assert {one["reason"] for one in told} == {"silent"}
        (record,) = caplog.records
        assert "did not answer within 0.2 s" in record.getMessage()

    @pytest.mark.service("redis")
    @pytest.mark.usefixtures("impatient")
    def test_an_established_connection_that_falls_silent(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        from tests.services import require

        parts = urlsplit(require("redis"))
        assert parts.hostname is not None
        assert parts.port is not None
        proxy = Proxy(parts.hostname, parts.port)
        dispatcher = Dispatcher()
        try:
            with celery_app(f"redis://127.0.0.1:{proxy.port}{parts.path}") as app:
                assert dispatcher.dispatch_records("default", ids())
                proxy.fall_silent()
                assert not dispatcher.dispatch_records("default", ids())
                assert "did not answer" in caplog.text
                # The one that was late arrives, and shows that the broker is back.
                proxy.speak_again()
                wait_for_dispatch()
                assert dispatcher.dispatch_records("default", ids())
                assert arrived(app, 3) == [dispatch.TASK] * 3
        finally:
            proxy.close()

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_a_save_succeeds_without_a_broker(
        self, scheme: str, recorder: RecorderCollection
    ) -> None:
        with celery_app(refusing(scheme), **QUICK):
            row = product()
        assert record_of(row).state == SyncRecord.State.WAITING

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("scheme", SCHEMES)
    @pytest.mark.usefixtures("impatient")
    def test_a_save_succeeds_with_a_silent_broker(
        self, scheme: str, recorder: RecorderCollection
    ) -> None:
        with silent(scheme) as url, celery_app(url, **QUICK):
            row = product()
        assert record_of(row).state == SyncRecord.State.WAITING


class TestRest:
    def test_after_a_failure_it_rests_then_tries_again(
        self, clock: Clock, sender: Sender, caplog: pytest.LogCaptureFixture
    ) -> None:
        dispatcher = Dispatcher()
        sender.error = OSError("down")
        with caplog.at_level(logging.INFO, LOGGER):
            assert not dispatcher.dispatch_records("default", ids())
            clock.now += dispatch.PAUSE_AFTER_FAILURE - 1
            assert not dispatcher.dispatch_records("default", ids())
            assert sender.calls == 1
            clock.now += 1
            dispatcher.dispatch_records("default", ids())
            wait_for_dispatch()
            assert sender.calls == 2
            # That failed, too: another rest, without another warning.
            dispatcher.dispatch_records("default", ids())
            assert sender.calls == 2
            assert len(caplog.records) == 1
            sender.error = None
            clock.now += dispatch.PAUSE_AFTER_FAILURE
            dispatcher.dispatch_records("default", ids())
            wait_for_dispatch()
            assert dispatcher.dispatch_records("default", ids())
        assert sender.calls == 4
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]

    def test_nobody_waits_for_a_broker_that_failed_last_time(
        self, clock: Clock, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dispatcher = Dispatcher()
        sender.error = OSError("down")
        dispatcher.dispatch_records("default", ids())
        answer = threading.Event()
        monkeypatch.setattr(dispatch, "_send", lambda *_: answer.wait())
        clock.now += dispatch.PAUSE_AFTER_FAILURE
        assert not dispatcher.dispatch_records(
            "default", ids()
        )  # returns while the broker is silent
        answer.set()
        wait_for_dispatch()
        assert not dispatcher._failing

    @pytest.mark.usefixtures("impatient")
    def test_threads_that_publish_at_once_take_turns(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        dispatcher = Dispatcher()
        answer = threading.Event()
        monkeypatch.setattr(dispatch, "_send", lambda *_: answer.wait())
        callers = [
            threading.Thread(target=dispatcher.dispatch_records, args=("default", ids()))
            for _ in range(dispatch.MAX_THREADS + 4)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert len(publishing()) == dispatch.MAX_THREADS
        answer.set()

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_thread_that_ends_without_a_word_is_a_failure(
        self, sender: Sender, caplog: pytest.LogCaptureFixture
    ) -> None:
        sender.error = SystemExit()
        assert not Dispatcher().dispatch_records("default", ids())
        assert "Could not send a message to Celery" in caplog.text


def _registry_raises(monkeypatch: pytest.MonkeyPatch, app: Celery) -> None:
    class Registry:
        def __getitem__(self, name: str) -> object:
            raise RuntimeError("no registry")

    monkeypatch.setattr(type(app), "tasks", Registry())


def _task_is_unknown(monkeypatch: pytest.MonkeyPatch, app: Celery) -> None:
    monkeypatch.delitem(app.tasks, dispatch.TASK)


def _no_app(monkeypatch: pytest.MonkeyPatch, app: Celery) -> None:
    def project_app() -> Celery:
        raise ImportError("no app")

    monkeypatch.setattr(dispatch, "project_app", project_app)


def _no_thread(monkeypatch: pytest.MonkeyPatch, app: Celery) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


def _settings_raise(monkeypatch: pytest.MonkeyPatch, app: Celery) -> None:
    class Conf:
        @property
        def task_always_eager(self) -> bool:
            raise AttributeError("no settings")

    monkeypatch.setattr(app, "conf", Conf())


def _task_raises(monkeypatch: pytest.MonkeyPatch, app: Celery) -> None:
    def apply_async(*args: object, **kwargs: object) -> None:
        raise TypeError("not serializable")

    monkeypatch.setattr(app.tasks[dispatch.TASK], "apply_async", apply_async)


def _publish_raises(monkeypatch: pytest.MonkeyPatch, app: Celery) -> None:
    def publish(*_: object) -> bool:
        raise RuntimeError("a bug in publish()")

    monkeypatch.setattr(dispatch, "dispatch_records", publish)


@pytest.mark.django_db(transaction=True)
class TestOtherCallbacks:
    """Whatever goes wrong in a dispatch, callbacks registered later run."""

    @pytest.mark.parametrize("robust", [False, True])
    @pytest.mark.parametrize(
        "breakage",
        [
            _registry_raises,
            _task_is_unknown,
            _no_app,
            _no_thread,
            _settings_raise,
            _task_raises,
            _publish_raises,
        ],
    )
    def test_they_run(
        self,
        breakage: Callable[[pytest.MonkeyPatch, Celery], None],
        robust: bool,
        recorder: RecorderCollection,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        ran: list[int] = []
        with celery_app("memory://") as app, monkeypatch.context() as patch:
            breakage(patch, app)
            with transaction.atomic():
                row = product(1)
                transaction.on_commit(lambda: ran.append(1), robust=robust)
                product(2)
                transaction.on_commit(lambda: ran.append(2), robust=robust)
            product(3)  # in autocommit, where the callback runs inside save()
        assert ran == [1, 2]
        assert record_of(row).state == SyncRecord.State.WAITING
        if breakage is not _publish_raises:
            (record,) = [record for record in caplog.records if record.name == LOGGER]
            assert "visualsnoop_sync" in record.getMessage()

    def test_they_run_in_eager_mode_that_propagates(
        self,
        recorder: RecorderCollection,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def process_records(*_: object, **__: object) -> None:
            raise RuntimeError("a bug in sync")

        monkeypatch.setattr("django_visualsnoop.sync.worker.process_records", process_records)
        ran: list[int] = []
        eager = {"task_always_eager": True, "task_eager_propagates": True}
        with celery_app("memory://", **eager), transaction.atomic():
            product()
            transaction.on_commit(lambda: ran.append(1))
        assert ran == [1]
        assert "a bug in sync" in caplog.text

    def test_an_interrupt_is_not_swallowed(
        self, recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def project_app() -> Celery:
            raise KeyboardInterrupt

        monkeypatch.setattr(dispatch, "project_app", project_app)
        with pytest.raises(KeyboardInterrupt):
            product()
        assert SyncRecord.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_eager_project_syncs_on_commit(recorder: RecorderCollection) -> None:
    with celery_app("memory://", task_always_eager=True):
        row = product()
    assert record_of(row).state == SyncRecord.State.IN_SYNC
    assert len(recorder.images) == 1


@pytest.mark.django_db(transaction=True)
def test_an_eager_project_does_not_retry_in_the_request(recorder: RecorderCollection) -> None:
    from django_visualsnoop.client.exceptions import TransportError

    with celery_app("memory://", task_always_eager=True), recorder.failing(TransportError("down")):
        row = product()
    assert record_of(row).state == SyncRecord.State.RETRYING
    assert record_of(row).attempts == 1


def test_a_forked_process_starts_afresh() -> None:
    dispatch._dispatcher._paused_until = float("inf")
    child = os.fork()
    if child == 0:
        os._exit(0 if dispatch._dispatcher._paused_until == 0.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_thousands_of_records_are_dispatched_by_a_few_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[object, ...]] = []
    with celery_app("memory://") as app:
        for name in (dispatch.TASK, dispatch.SYNC_DUE):
            monkeypatch.setattr(app.tasks[name], "apply_async", lambda args, **_: sent.append(args))
        assert dispatch.dispatch_all("default", ids(dispatch.MANY_RECORDS))
        assert len(sent) == dispatch.MANY_RECORDS / RECORDS_PER_MESSAGE
        sent.clear()
        assert dispatch.dispatch_all("default", ids(10_000))
    assert sent == [("default",)] * dispatch.DUE_MESSAGES


def test_eager_tasks_process_all_of_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    with celery_app("memory://", task_always_eager=True) as app:
        task = app.tasks[dispatch.TASK]
        monkeypatch.setattr(task, "apply_async", lambda args, **_: sent.extend(args[1]))
        many = ids(dispatch.MANY_RECORDS + 1)
        assert dispatch.dispatch_all("default", many)
    assert sent == many
