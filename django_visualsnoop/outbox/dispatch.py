"""Dispatch: messages that tell workers which records to process.

A message may be lost: the record is the truth and the sweeper finds it. So publishing may
neither fail nor hold up the commit that it follows. What talks to the broker is a thread of
its own, for which the caller waits a bounded time, since no setting bounds it for every
transport: a broker that accepts connections and says nothing blocks a publisher for minutes
(github.com/celery/celery/issues/6911). The messages themselves are made in the caller's thread,
where tracing, tenants and receivers of ``before_task_publish`` find what is local to it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections
from kombu import Producer

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.outbox.celery import broker_problem, project_app
from django_visualsnoop.signals import dispatch_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Celery, Task

logger = logging.getLogger(__name__)

TASK = "django_visualsnoop.sync_records"
#: The task that looks whether files were written again since they were indexed.
LOOK_AGAIN = "django_visualsnoop.look_again"
#: Longest time, in seconds, that a commit waits for the broker: two, less what a busy machine
#: may need to wake up.
MAX_WAIT = 1.8
#: After a failure, how long no message is tried, in seconds.
PAUSE_AFTER_FAILURE = 10.0
#: Publishing threads at once, so that a silent broker does not gather them.
MAX_THREADS = 4
#: How often a thread tries to connect again, which takes some seconds: a broker that is back by
#: then loses no message.
CONNECT_RETRIES = 8
#: Records in one message.
RECORDS_PER_MESSAGE = 50
#: Longest countdown of a message, in seconds.
MAX_COUNTDOWN = 15.0


class Dispatcher:
    """Publishes within a bounded time, and after a failure leaves the broker alone for a while.

    The next try after such a while is one that nobody waits for. So an outage costs each
    thread of the process one wait, however long it lasts.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start afresh, as in a new process."""
        self._failing = False
        self._quiet_until = 0.0
        self._slots = threading.Semaphore(MAX_THREADS)

    def dispatch_records(
        self,
        using: str,
        record_ids: list[str],
        countdown: float | None = None,
        task_name: str = TASK,
    ) -> bool:
        """Send messages for these records; return whether the broker is known to have them all.

        Returns within ``MAX_WAIT`` seconds unless Celery runs tasks eagerly. Never raises an
        ``Exception``, except for what comes from outside, such as a time limit of the caller's.

        Args:
            using: alias of the database that holds the records.
            record_ids: ids of sync records.
            countdown: seconds until a worker should look at them, a few; at once if ``None``.
            task_name: of the task that does.
        """
        if not record_ids:
            return True
        try:
            return self._dispatch(using, record_ids, countdown, task_name)
        except _UnansweredError:
            return _lost(using, record_ids, "silent")
        except Exception as error:  # would skip the project's on_commit callbacks
            if is_interruption(error):
                raise
            problem = _broker_problem()
            expected = problem is not None or isinstance(error, _BrokerError)
            self._rest(problem or _told(error), None if expected else error)
            return _lost(using, record_ids, "refused")

    def _dispatch(
        self, using: str, record_ids: list[str], countdown: float | None, task_name: str
    ) -> bool:
        started = time.monotonic()  # the first time, the next line may load modules
        app = project_app()
        task = app.tasks[task_name]
        if app.conf.task_always_eager:
            # An eager task runs here and now; for one with a countdown that would be too early.
            return countdown is None and _work_now(task, using, record_ids)
        if started < self._quiet_until:
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
        """Try again, after a failure, and let nobody wait for it."""
        self._quiet_until = started + PAUSE_AFTER_FAILURE  # other threads need not try, too
        messages: list[_Message] = []
        with _Producer(app, messages.append) as producer:
            _make_messages(task, using, record_ids, countdown, producer)

        def tell(error: Exception | None) -> None:
            if error is not None:
                _lost(using, record_ids, "refused")

        if not self._start(app, messages, tell, wait=0.0):
            raise _UnansweredError

    def _send_in_time(self, app: Celery, message: _Message, deadline: float) -> None:
        """Send one message, unless that takes longer than the caller may wait.

        Raises:
            _UnansweredError: it does.
            _BrokerError: the broker, or the way to it, refuses.
        """
        outcome: list[Exception | None] = []
        attempts: list[Exception] = []
        thread = self._start(
            app, [message], outcome.append, wait=deadline - time.monotonic(), attempts=attempts
        )
        if thread is None:
            self._rest(f"earlier messages have not been answered within {MAX_WAIT:g} s")
            raise _UnansweredError
        thread.join(max(0.0, deadline - time.monotonic()))
        if outcome and outcome[0] is not None:
            raise _BrokerError(_told(outcome[0]))
        if not outcome and attempts:
            raise _BrokerError(_told(attempts[-1]))  # it is asked again and again, and refuses
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
        """Send messages in a thread; return it, or ``None`` if too many are at it.

        Args:
            app: the Celery app.
            messages: what to send.
            tell: is called in that thread with what went wrong, or with ``None``.
            wait: how many seconds to wait for other threads to end.
            attempts: where to note why connecting failed while it is tried again.
        """
        slots = self._slots
        if not slots.acquire(timeout=max(0.0, wait)):
            return None

        def send() -> None:
            try:
                _send(app, messages, attempts if attempts is not None else [])
            except Exception as error:  # noqa: BLE001 -- every transport has errors of its own
                tell(error)
            else:
                tell(None)
                self._recover()
            finally:
                slots.release()
                connections.close_all()  # a transport, or what traces it, may have opened some

        # A daemon, so that a silent broker does not keep the process from ending.
        thread = threading.Thread(target=send, name="visualsnoop-dispatch", daemon=True)
        try:
            thread.start()
        except Exception:
            slots.release()
            raise
        return thread

    def _rest(self, why: str, unexpected: Exception | None = None) -> None:
        """Leave the broker alone for a while; say so once an outage."""
        self._quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
        if self._failing:
            return
        self._failing = True
        logger.warning(
            "Celery takes no message (%s). Nothing is lost: the sync records are in the database, "
            "and `manage.py visualsnoop_sync` or its periodic task processes them. From now on a "
            "message is tried every %g s, until one arrives; no commit waits for it.",
            why,
            PAUSE_AFTER_FAILURE,
            exc_info=unexpected,
        )

    def _recover(self) -> None:
        if self._failing:
            self._failing = False
            self._quiet_until = 0.0
            logger.info("Messages reach Celery again.")


def _lost(using: str, record_ids: list[str], reason: str) -> bool:
    """Tell receivers of a message that was not sent; return false."""
    dispatch_failed.send_robust(sender=None, using=using, count=len(record_ids), reason=reason)
    return False


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, _BrokerError) else f"{type(error).__name__}: {error}"


def _broker_problem() -> str | None:
    try:
        return broker_problem(project_app())
    except Exception:  # noqa: BLE001 -- the app's settings may be what is wrong
        return None


def _work_now(task: Task[..., None], using: str, record_ids: list[str]) -> bool:
    try:
        _make_messages(task, using, record_ids, None, None)
    except Exception as error:
        if is_interruption(error):
            raise
        # With task_eager_propagates; the commit and its other callbacks must not suffer from it.
        logger.exception(
            "The eager task failed. Nothing is lost: the sync records are in the database, and "
            "`manage.py visualsnoop_sync` processes them."
        )
        return False
    return True


class _UnansweredError(Exception):
    """The broker did not answer in time; that it rests now is said already."""


class _BrokerError(Exception):
    """The broker, or the way to it, refused; in words for the log."""


class _Message(NamedTuple):
    """What Celery gives to a producer's ``publish()``."""

    body: Any
    options: dict[str, Any]


class _Producer(Producer):
    """Takes messages as Celery has made them, and lets ``deliver`` do what needs the broker.

    Args:
        app: the Celery app whose tasks are sent.
        deliver: is called with each message, in the thread that sends the task.
    """

    def __init__(self, app: Celery, deliver: Callable[[_Message], None]) -> None:
        # The connection is never opened: Celery only asks it for the classes of its errors.
        super().__init__(app.connection_for_write(), auto_declare=False)
        self._deliver = deliver

    def publish(self, body: Any, *args: Any, **options: Any) -> None:
        if args:
            raise TypeError("Celery gives options by name.")
        self._deliver(_Message(body, options))

    def __exit__(self, *_: object) -> None:
        pass  # there is nothing to close


def _make_messages(
    task: Task[..., None],
    using: str,
    record_ids: list[str],
    countdown: float | None,
    producer: Producer | None,
) -> None:
    for start in range(0, len(record_ids), RECORDS_PER_MESSAGE):
        task.apply_async(
            (using, record_ids[start : start + RECORDS_PER_MESSAGE]),
            countdown=countdown,  # type: ignore[arg-type]  # None: now
            retry=False,
            producer=producer,
        )


def _send(app: Celery, messages: list[_Message], attempts: list[Exception]) -> None:
    """Give messages to the broker.

    Args:
        app: the Celery app.
        messages: what to send, in this order.
        attempts: where to note why connecting failed while it is tried again.
    """
    pool: Any = app.pool  # celery-types takes its connections for producers
    with pool.acquire(block=True) as connection:
        # Else Celery goes on for ever, and nobody hears why.
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


def dispatch_later(using: str, later: Mapping[float, list[str]]) -> None:
    """Let workers process records after some seconds.

    A broker keeps a message with a countdown unacknowledged, and may end the channel, and
    so the worker, if that takes long. So longer waits are left to the sweeper, and the
    others share messages.

    Args:
        using: alias of the database that holds the records.
        later: seconds → ids of records.
    """
    soon = sorted((delay, one) for delay, ids in later.items() for one in ids)
    soon = [(delay, one) for delay, one in soon if delay <= MAX_COUNTDOWN]
    for start in range(0, len(soon), RECORDS_PER_MESSAGE):
        chunk = soon[start : start + RECORDS_PER_MESSAGE]
        dispatch_records(using, [one for _, one in chunk], countdown=chunk[-1][0])


def dispatch_look_again(using: str, record_ids: list[str], countdown: float) -> None:
    """Let a worker look, after some seconds, whether the files of these records were rewritten."""
    _dispatcher.dispatch_records(using, record_ids, countdown, LOOK_AGAIN)
