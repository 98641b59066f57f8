"""Real Celery worker processes over real brokers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from celery import Celery
from django.conf import settings
from django.db import connections

from django_visualsnoop.models import SyncRecord
from tests.celeryapp import app as default_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: How long a worker may take before a test fails, in seconds.
PATIENCE = 180.0


@contextmanager
def celery_app(broker_url: str, **conf: object) -> Iterator[Celery]:
    """Make this process publish to a broker, on a queue of its own."""
    app = Celery("tests", broker=broker_url)
    app.conf.update(task_default_queue=f"visualsnoop-{uuid.uuid4().hex}", **conf)
    app.finalize()
    try:
        yield app
    finally:
        app.close()
        default_app.set_current()


@contextmanager
def worker(
    app: Celery, folder: Path, *, concurrency: int = 2, settings_module: str = "tests.settings"
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker process of the test project on an app's broker, queue and this database."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": settings_module,
        "TEST_BROKER_URL": app.conf.broker_url,
        "TEST_QUEUE": app.conf.task_default_queue,
        "TEST_IS_WORKER": "1",
        "TEST_MEDIA_ROOT": str(settings.MEDIA_ROOT),
        "TEST_SQLITE_FOLDER": str(Path(str(settings.DATABASES["default"]["NAME"])).parent),
    }
    command = [
        *(sys.executable, "-m", "celery", "-A", "tests.celeryapp", "worker"),
        *("--concurrency", str(concurrency), "--loglevel", "INFO"),
        # A broker takes one worker of a name; other test runs may have theirs there.
        *("--hostname", f"{app.conf.task_default_queue}-{uuid.uuid4().hex}@%h"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
    log = folder / f"worker-{uuid.uuid4().hex}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[1],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for(lambda: " ready." in log.read_text(), what=lambda: log.read_text())
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)
            with app.connection_for_write() as connection:
                app.amqp.queues[app.conf.task_default_queue](connection).delete()


def wait_for(condition: Callable[[], bool], what: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Nothing happened within {PATIENCE:g} s. {what()}")
        time.sleep(0.1)


def wait_until_all_in_sync() -> None:
    def finalized() -> bool:
        connections["default"].close_if_unusable_or_obsolete()
        return all(record.state == SyncRecord.State.IN_SYNC for record in SyncRecord.objects.all())

    wait_for(finalized, lambda: [f"{r}: {r.reason}" for r in SyncRecord.objects.all()][:20])
