"""Hints: messages that tell workers which records to look at.

A hint may be lost: the record is the truth and the sweeper finds it. So publishing may
neither fail nor hold up the commit that it follows. It happens in a thread of its own,
for which the caller waits a bounded time, since no setting bounds it for every transport:
a broker that accepts connections and says nothing blocks a publisher for minutes
(github.com/celery/celery/issues/6911).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from django.db import connections

from django_visualsnoop.celery_app import project_app
from django_visualsnoop.signals import hint_failed

if TYPE_CHECKING:
    from celery import Task

logger = logging.getLogger(__name__)

TASK = "django_visualsnoop.sync_records"
#: Longest time, in seconds, that a commit waits for the broker: two, less what a busy machine
#: may need to wake up.
MAX_WAIT = 1.8
#: After a failure, how long no hint is tried again, in seconds.
PAUSE_AFTER_FAILURE = 10.0
#: Publishing threads at once, so that a silent broker does not gather them.
MAX_THREADS = 4
#: Records in one message.
RECORDS_PER_HINT = 50


class Publisher:
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

    def publish(self, using: str, record_ids: list[str], countdown: float | None = None) -> bool:
        """Send hints for these records; return whether the broker is known to have them all.

        Never raises an ``Exception``, and returns within ``MAX_WAIT`` seconds unless Celery
        runs tasks eagerly.

        Args:
            using: alias of the database that holds the records.
            record_ids: ids of sync records.
            countdown: seconds until a worker should look at them; at once if ``None``.
        """
        try:
            return self._publish(using, record_ids, countdown)
        except Exception as error:  # noqa: BLE001 -- would skip the project's on_commit callbacks
            self._rest(_told(error), error)
            return _lost(using, record_ids, "refused")

    def _publish(self, using: str, record_ids: list[str], countdown: float | None) -> bool:
        started = time.monotonic()  # the first time, the next lines may load modules
        from django_visualsnoop import tasks  # noqa: F401 -- registers them with the app

        app = project_app()
        task = app.tasks[TASK]  # of this thread's app, which another thread need not know
        if app.conf.task_always_eager:
            # An eager task runs here and now; for one with a countdown that would be too early.
            return countdown is None and _work_now(task, using, record_ids)
        if started < self._quiet_until:
            return _lost(using, record_ids, "resting")
        probing = self._failing
        if probing:
            self._quiet_until = started + PAUSE_AFTER_FAILURE  # other threads need not try, too
        slots = self._slots
        deadline = started + MAX_WAIT
        if not slots.acquire(timeout=0 if probing else max(0.0, deadline - time.monotonic())):
            self._rest(f"earlier hints have not been answered within {MAX_WAIT:g} s")
            return _lost(using, record_ids, "silent")
        outcome: list[Exception | None] = []

        def send() -> None:
            try:
                _send(task, using, record_ids, countdown)
            except Exception as error:  # noqa: BLE001 -- every transport has errors of its own
                outcome.append(error)
                if probing:
                    _lost(using, record_ids, "refused")
            else:
                outcome.append(None)
                self._recover()
            finally:
                slots.release()
                connections.close_all()  # a project's publishing signals may have opened some

        # A daemon, so that a silent broker does not keep the process from ending.
        thread = threading.Thread(target=send, name="visualsnoop-hint", daemon=True)
        try:
            thread.start()
        except Exception:
            slots.release()
            raise
        if probing:
            return False
        thread.join(max(0.0, deadline - time.monotonic()))
        if not outcome:
            self._rest(f"the broker did not answer within {MAX_WAIT:g} s")
            return _lost(using, record_ids, "silent")
        if outcome[0] is not None:
            self._rest(_told(outcome[0]))
            return _lost(using, record_ids, "refused")
        return True

    def _rest(self, why: str, unexpected: Exception | None = None) -> None:
        """Leave the broker alone for a while; say so once an outage."""
        self._quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
        if self._failing:
            return
        self._failing = True
        logger.warning(
            "No hint to Celery (%s). Nothing is lost: the wishes are in the database, and "
            "`manage.py visualsnoop_sync` or its periodic task follows them. From now on a hint "
            "is tried every %g s, until one arrives; no commit waits for it.",
            why,
            PAUSE_AFTER_FAILURE,
            exc_info=unexpected,
        )

    def _recover(self) -> None:
        if self._failing:
            self._failing = False
            self._quiet_until = 0.0
            logger.info("Hints reach Celery again.")


def _lost(using: str, record_ids: list[str], reason: str) -> bool:
    """Tell receivers of a hint that was not sent; return false."""
    hint_failed.send_robust(sender=None, using=using, count=len(record_ids), reason=reason)
    return False


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _work_now(task: Task[..., None], using: str, record_ids: list[str]) -> bool:
    try:
        _send(task, using, record_ids, None)
    except Exception:
        # With task_eager_propagates; the commit and its other callbacks must not suffer from it.
        logger.exception(
            "The eager task failed. Nothing is lost: the wishes are in the database, and "
            "`manage.py visualsnoop_sync` follows them."
        )
        return False
    return True


def _send(
    task: Task[..., None], using: str, record_ids: list[str], countdown: float | None
) -> None:
    for start in range(0, len(record_ids), RECORDS_PER_HINT):
        chunk = record_ids[start : start + RECORDS_PER_HINT]
        task.apply_async((using, chunk), countdown=countdown, retry=False)  # type: ignore[arg-type]  # None: now


_publisher = Publisher()
os.register_at_fork(after_in_child=_publisher.forget)
publish = _publisher.publish
