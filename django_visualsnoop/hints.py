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
#: Longest time, in seconds, that a commit waits for the broker.
MAX_WAIT = 2.0
#: After a failure, how long no hint is tried again, in seconds.
PAUSE_AFTER_FAILURE = 10.0
#: Publishing threads that a silent broker may hold at once.
MAX_STUCK = 4
#: Records in one message.
RECORDS_PER_HINT = 50


class Publisher:
    """Publishes within a bounded time, and after a failure leaves the broker alone for a while."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start afresh, as in a new process."""
        self._quiet_until = 0.0
        self._stuck: list[threading.Thread] = []

    def publish(self, using: str, record_ids: list[str], countdown: float | None = None) -> bool:
        """Send hints for these records; return whether the broker took them all.

        Never raises, and returns within ``MAX_WAIT`` seconds unless Celery runs tasks eagerly.

        Args:
            using: alias of the database that holds the records.
            record_ids: ids of sync records.
            countdown: seconds until a worker should look at them; at once if ``None``.
        """
        from django_visualsnoop import tasks  # noqa: F401 -- registers them with the app

        app = project_app()
        task = app.tasks[TASK]  # of this thread's app, which another thread need not know
        if app.conf.task_always_eager:
            # An eager task runs here and now; for one with a countdown that would be too early.
            if countdown is None:
                _send(task, using, record_ids, None)
            return countdown is None
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if time.monotonic() < self._quiet_until or len(self._stuck) >= MAX_STUCK:
            return self._failed(using, record_ids, "resting")
        failures: list[Exception] = []

        def send() -> None:
            try:
                _send(task, using, record_ids, countdown)
            except Exception as error:  # noqa: BLE001 -- every transport has errors of its own
                failures.append(error)
            finally:
                connections.close_all()  # a project's publishing signals may have opened some

        # A daemon, so that a silent broker does not keep the process from ending.
        thread = threading.Thread(target=send, name="visualsnoop-hint", daemon=True)
        thread.start()
        thread.join(MAX_WAIT)
        if thread.is_alive():
            self._stuck.append(thread)
            self._rest(f"the broker did not answer within {MAX_WAIT:g} s")
            return self._failed(using, record_ids, "silent")
        if failures:
            self._rest(f"{type(failures[0]).__name__}: {failures[0]}")
            return self._failed(using, record_ids, "refused")
        return True

    def _failed(self, using: str, record_ids: list[str], reason: str) -> bool:
        hint_failed.send_robust(sender=None, using=using, count=len(record_ids), reason=reason)
        return False

    def _rest(self, why: str) -> None:
        self._quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
        logger.warning(
            "No hint to Celery (%s). Nothing is lost: the wishes are in the database, and "
            "`manage.py visualsnoop_sync` or its periodic task follows them. "
            "The next hint is tried in %g s.",
            why,
            PAUSE_AFTER_FAILURE,
        )


def _send(
    task: Task[..., None], using: str, record_ids: list[str], countdown: float | None
) -> None:
    for start in range(0, len(record_ids), RECORDS_PER_HINT):
        chunk = record_ids[start : start + RECORDS_PER_HINT]
        task.apply_async((using, chunk), countdown=countdown, retry=False)  # type: ignore[arg-type]  # None: now


_publisher = Publisher()
os.register_at_fork(after_in_child=_publisher.forget)
publish = _publisher.publish
