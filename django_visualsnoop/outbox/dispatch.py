"""Dispatch: Celery messages that tell workers which records to process.

A message may be lost, because the record is in the database and the sweeper finds it. Publishing
must therefore neither fail nor delay the commit it follows. A separate thread talks to the broker
and the caller waits for it for a limited time, because no setting limits that time for every
transport: a broker that accepts connections but never answers blocks a publisher for minutes
(github.com/celery/celery/issues/6911). The caller's thread builds the messages, so that tracing,
tenants and receivers of ``before_task_publish`` see its thread-local state.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.db import connections
from kombu import Producer

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.outbox.celery import broker_problem, project_app
from django_visualsnoop.signals import dispatch_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Celery, Task

logger = logging.getLogger(__name__)

TASK = "django_visualsnoop.sync_records"
#: The task that checks whether files were rewritten since they were indexed.
LOOK_AGAIN = "django_visualsnoop.look_again"
#: The task that searches for the duplicates of a model.
FIND_DUPLICATES = "django_visualsnoop.find_duplicates"
#: The task that processes records that are due, whichever they are.
SYNC_DUE = "django_visualsnoop.sync_due"
#: The task that takes part in a reindex.
REINDEX = "django_visualsnoop.reindex_chunks"
#: Default of the setting ``VISUALSNOOP_REINDEX_QUEUE``.
REINDEX_QUEUE = "visualsnoop_reindex"
#: Longest time, in seconds, that a commit waits for the broker: two seconds, minus the time that a
#: busy machine may need to schedule the thread.
MAX_WAIT = 1.8
#: How long to publish nothing after a failure, in seconds.
PAUSE_AFTER_FAILURE = 10.0
#: Most publishing threads at a time, so that they do not pile up while a broker does not answer.
MAX_THREADS = 4
#: How often a thread retries the connection, for a few seconds in total. A broker that restarts
#: within that time loses no message.
CONNECT_RETRIES = 8
#: Records in one message.
RECORDS_PER_MESSAGE = 50
#: Of more records at once, messages do not name each: this many tell workers to process what is
#: due.
MANY_RECORDS, DUE_MESSAGES = 500, 8
#: Longest countdown of a message, in seconds.
MAX_COUNTDOWN = 15.0


class Dispatcher:
    """Publish within a limited time, and pause after a failure.

    Nobody waits for the first attempt after a pause. However long an outage lasts, each thread of
    the process waits only once.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Reset the state, as in a new process."""
        self._failing = False
        self._paused_until = 0.0
        self._slots = threading.Semaphore(MAX_THREADS)

    def dispatch_records(
        self,
        using: str,
        record_ids: list[str],
        countdown: float | None = None,
        task_name: str = TASK,
    ) -> bool:
        """Send messages for these records; return whether the broker has accepted them all.

        Returns within ``MAX_WAIT`` seconds unless Celery runs tasks eagerly. Raises no
        ``Exception``, except for one from outside, such as the caller's own time limit.

        Args:
            using: alias of the database that stores the records.
            record_ids: ids of sync records.
            countdown: seconds until a worker should process them; at once if ``None``.
            task_name: name of the task.
        """
        if not record_ids:
            return True
        try:
            return self._dispatch(using, record_ids, countdown, task_name)
        except _UnansweredError:
            return _lost(using, record_ids, "silent")
        except Exception as error:  # it would skip the project's on_commit callbacks
            if is_interruption(error):
                raise
            problem = _broker_problem()
            expected = problem is not None or isinstance(error, _BrokerError)
            self._rest(problem or _told(error), None if expected else error)
            return _lost(using, record_ids, "refused")

    def _dispatch(
        self, using: str, record_ids: list[str], countdown: float | None, task_name: str
    ) -> bool:
        started = time.monotonic()  # before the next line, which may import modules
        app = project_app()
        task = app.tasks[task_name]
        if app.conf.task_always_eager:
            # An eager task processes just these records.
            task = app.tasks[TASK] if task_name == SYNC_DUE else task
            # It ignores its countdown and would run too early.
            return countdown is None and _work_now(task, using, record_ids)
        if started < self._paused_until:
            return _lost(using, record_ids, "resting")
        if self._failing:
            self._probe(app, task, using, record_ids, countdown, started)
            return False
        deadline = started + MAX_WAIT
        with _Producer(app, lambda message: self._send_in_time(app, message, deadline)) as producer:
            _make_messages(task, using, record_ids, countdown, producer)
        return True

    def _probe(
        self,
        app: Celery,
        task: Task[..., None],
        using: str,
        record_ids: list[str],
        countdown: float | None,
        started: float,
    ) -> None:
        """Retry after a failure without waiting for the result."""
        self._paused_until = started + PAUSE_AFTER_FAILURE  # one thread at a time retries
        messages: list[_Message] = []
        with _Producer(app, messages.append) as producer:
            _make_messages(task, using, record_ids, countdown, producer)

        def tell(error: Exception | None) -> None:
            if error is not None:
                _lost(using, record_ids, "refused")

        if not self._start(app, messages, tell, wait=0.0):
            raise _UnansweredError

    def _send_in_time(self, app: Celery, message: _Message, deadline: float) -> None:
        """Send one message before the deadline.

        Raises:
            _UnansweredError: the broker did not answer in time.
            _BrokerError: the broker, or the connection to it, raised an error.
        """
        outcome: list[Exception | None] = []
        attempts: list[Exception] = []
        thread = self._start(
            app, [message], outcome.append, wait=deadline - time.monotonic(), attempts=attempts
        )
        if thread is None:
            self._rest(f"the broker did not answer earlier messages within {MAX_WAIT:g} s")
            raise _UnansweredError
        thread.join(max(0.0, deadline - time.monotonic()))
        if outcome and outcome[0] is not None:
            raise _BrokerError(_told(outcome[0]))
        if not outcome and attempts:
            raise _BrokerError(_told(attempts[-1]))  # every connection attempt failed so far
        if not outcome:
            self._rest(f"the broker did not answer within {MAX_WAIT:g} s")
            raise _UnansweredError

    def _start(
        self,
        app: Celery,
        messages: list[_Message],
        tell: Callable[[Exception | None], object],
        *,
        wait: float,
        attempts: list[Exception] | None = None,
    ) -> threading.Thread | None:
        """Send messages in a thread; return it, or ``None`` if too many threads are publishing.

        Args:
            app: the Celery app.
            messages: the messages to send.
            tell: called in that thread with the error, or with ``None``.
            wait: how many seconds to wait for other threads to end.
            attempts: collects the errors of failed connection attempts.
        """
        slots = self._slots
        if not slots.acquire(timeout=max(0.0, wait)):
            return None

        def send() -> None:
            try:
                _send(app, messages, attempts if attempts is not None else [])
            except Exception as error:  # noqa: BLE001 -- every transport raises its own errors
                tell(error)
            else:
                tell(None)
                self._recover()
            finally:
                slots.release()
                connections.close_all()  # a transport or a tracer may have opened connections

        # A daemon thread: a broker that does not answer must not keep the process from exiting.
        thread = threading.Thread(target=send, name="visualsnoop-dispatch", daemon=True)
        try:
            thread.start()
        except Exception:
            slots.release()
            raise
        return thread

    def _rest(self, why: str, unexpected: Exception | None = None) -> None:
        """Pause publishing; log that once per outage."""
        self._paused_until = time.monotonic() + PAUSE_AFTER_FAILURE
        if self._failing:
            return
        self._failing = True
        logger.warning(
            "Could not send a message to Celery: %s. No change is lost: the sync records are in "
            "the database, and `manage.py visualsnoop_sync` or the periodic task processes them. "
            "Retrying every %g s in the background.",
            why,
            PAUSE_AFTER_FAILURE,
            exc_info=unexpected,
        )

    def _recover(self) -> None:
        if self._failing:
            self._failing = False
            self._paused_until = 0.0
            logger.info("Celery accepts messages again.")


def _lost(using: str, record_ids: list[str], reason: str) -> bool:
    """Send the signal ``dispatch_failed``; return false."""
    dispatch_failed.send_robust(sender=None, using=using, count=len(record_ids), reason=reason)
    return False


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, _BrokerError) else f"{type(error).__name__}: {error}"


def _broker_problem() -> str | None:
    try:
        return broker_problem(project_app())
    except Exception:  # noqa: BLE001 -- the app's settings may be invalid
        return None


def _work_now(task: Task[..., None], using: str, record_ids: list[str]) -> bool:
    try:
        _make_messages(task, using, record_ids, None, None)
    except Exception as error:
        if is_interruption(error):
            raise
        # With task_eager_propagates, the error must not reach the commit and its other callbacks.
        logger.exception(
            "The eager task failed. No change is lost: the sync records are in the database, and "
            "`manage.py visualsnoop_sync` processes them."
        )
        return False
    return True


class _UnansweredError(Exception):
    """The broker did not answer in time. The pause has already been logged."""


class _BrokerError(Exception):
    """The broker, or the connection to it, raised an error. The text is for the log."""


class _Message(NamedTuple):
    """The arguments of a producer's ``publish()``."""

    body: Any
    options: dict[str, Any]


class _Producer(Producer):
    """Pass the messages that Celery builds to ``deliver``, which talks to the broker.

    Args:
        app: the Celery app whose tasks are sent.
        deliver: called with each message, in the thread that sends the task.
    """

    def __init__(self, app: Celery, deliver: Callable[[_Message], None]) -> None:
        # Celery never opens this connection; it only reads its error classes.
        super().__init__(app.connection_for_write(), auto_declare=False)
        self._deliver = deliver

    def publish(self, body: Any, *args: Any, **options: Any) -> None:
        if args:
            raise TypeError("publish() takes its options as keyword arguments.")
        self._deliver(_Message(body, options))

    def __exit__(self, *_: object) -> None:
        pass  # nothing to close


def _make_messages(
    task: Task[..., None],
    using: str,
    record_ids: list[str],
    countdown: float | None,
    producer: Producer | None,
) -> None:
    messages: list[tuple[Any, ...]]
    options: dict[str, Any] = {}
    if task.name == SYNC_DUE:
        messages = [(using,)] * min(DUE_MESSAGES, len(record_ids))
    elif task.name == REINDEX:
        messages = [(using, *record_ids)]
        if queue := reindex_queue():
            options["queue"] = queue
    else:
        messages = [(using, some) for some in batched(record_ids, RECORDS_PER_MESSAGE)]
    for arguments in messages:
        task.apply_async(
            arguments,
            countdown=countdown,  # type: ignore[arg-type]  # None: now
            retry=False,
            producer=producer,
            **options,
        )


def _send(app: Celery, messages: list[_Message], attempts: list[Exception]) -> None:
    """Send messages to the broker, in this order.

    Args:
        app: the Celery app.
        messages: the messages to send.
        attempts: collects the errors of failed connection attempts.
    """
    pool: Any = app.pool  # celery-types types its connections as producers
    with pool.acquire(block=True) as connection:
        # Without this, Celery would retry forever and report no error.
        connection.ensure_connection(
            errback=lambda error, _: attempts.append(error),
            max_retries=CONNECT_RETRIES,
            interval_start=0.2,
            interval_step=0.2,
            interval_max=1.0,
        )
        with app.amqp.Producer(connection, auto_declare=False) as producer:
            for message in messages:
                producer.publish(message.body, **message.options)


_dispatcher = Dispatcher()
os.register_at_fork(after_in_child=_dispatcher.forget)
dispatch_records = _dispatcher.dispatch_records


def dispatch_all(using: str, record_ids: list[str]) -> bool:
    """Dispatch records by a few messages, however many they are; see ``dispatch_records``."""
    if len(record_ids) <= MANY_RECORDS:
        return dispatch_records(using, record_ids)
    return dispatch_records(using, record_ids, task_name=SYNC_DUE)


def dispatch_due_again(using: str) -> None:
    """Let a worker go on with the records that are due, after other messages."""
    _dispatcher.dispatch_records(using, ["due"], None, SYNC_DUE)


def dispatch_reindex(
    using: str, token: int, *, count: int = 1, countdown: float | None = None
) -> bool:
    """Let workers take part in a reindex; return whether the broker accepted a message.

    Args:
        using: alias of the database.
        token: the token of the run.
        count: the number of messages.
        countdown: seconds until a worker should go on.
    """
    sent = 0
    while sent < count and _dispatcher.dispatch_records(using, [str(token)], countdown, REINDEX):
        sent += 1
    return sent > 0


def reindex_queue() -> str | None:
    """Return the queue of the messages of a reindex; ``None`` if Celery's routes choose it."""
    queue: str | None = getattr(settings, "VISUALSNOOP_REINDEX_QUEUE", REINDEX_QUEUE)
    return queue


def dispatch_later(using: str, later: Mapping[float, list[str]]) -> None:
    """Dispatch records with a countdown, up to ``MAX_COUNTDOWN`` seconds.

    A worker keeps a message with a countdown unacknowledged. If that takes long, the broker may
    close the channel, which ends the worker. The sweeper therefore handles longer waits, and the
    others share messages.

    Args:
        using: alias of the database that stores the records.
        later: seconds → ids of records.
    """
    soon = sorted((delay, one) for delay, ids in later.items() for one in ids)
    soon = [(delay, one) for delay, one in soon if delay <= MAX_COUNTDOWN]
    for start in range(0, len(soon), RECORDS_PER_MESSAGE):
        chunk = soon[start : start + RECORDS_PER_MESSAGE]
        dispatch_records(using, [one for _, one in chunk], countdown=chunk[-1][0])


def dispatch_look_again(using: str, record_ids: list[str], countdown: float) -> None:
    """Let a worker check, after a countdown, whether the files of these records were rewritten."""
    _dispatcher.dispatch_records(using, record_ids, countdown, LOOK_AGAIN)


def dispatch_search(using: str, label: str) -> bool:
    """Let a worker search for the duplicates of a model; return whether the broker accepted it."""
    return _dispatcher.dispatch_records(using, [label], None, FIND_DUPLICATES)
