"""A reindex by real workers, which are killed meanwhile."""

from __future__ import annotations

import io
import os
import signal
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.models import ReindexChunk, ReindexRun, SyncRecord
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.outbox.reindex_run import find_run
from django_visualsnoop.sync.reindex_runs import dispatch_stalled
from tests.filling.messages import counted
from tests.services import require
from tests.testapp.models import Product
from tests.workers import celery_app, wait_for, worker

if TYPE_CHECKING:
    from pathlib import Path

ROWS, MESSAGES = 2000, 4
SETTINGS = "tests.filling.settings"


def generated(number: int) -> ContentFile[bytes]:
    """Return a small picture."""
    dice = np.random.default_rng((5, number))
    picture = cv2.resize(dice.integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))
    return ContentFile(cv2.imencode(".jpg", picture)[1].tobytes(), f"{number}.jpg")


def run() -> ReindexRun:
    connections["default"].close_if_unusable_or_obsolete()
    found = find_run("default")
    assert found is not None
    return found


def let_leases_expire() -> None:
    """Do as if the minutes had passed after which others may take over."""
    past = timezone.now() - timedelta(minutes=2)
    ReindexChunk.objects.update(leased_until=past)
    ReindexRun.objects.update(worked_at=past, sent_at=past)
    SyncRecord.objects.exclude(lease=None).update(leased_until=past, due_at=past)


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("visualsnoop_reindex", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.service("redis")
def test_two_workers_that_are_killed_leave_a_run_that_ends(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "noted"
    noted.mkdir()
    monkeypatch.setenv("NOTED_FOLDER", str(noted))
    with sync_paused():
        Product.objects.bulk_create(Product(photo=generated(n)) for n in range(ROWS))
    broker = require("redis")
    with (
        celery_app(broker) as app,
        counted(broker, app.conf.task_default_queue) as messages,
        worker(app, tmp_path, concurrency=1, settings_module=SETTINGS) as first,
        worker(app, tmp_path, concurrency=1, settings_module=SETTINGS) as second,
    ):
        said = command("testapp.Product", "--async", "--workers", str(MESSAGES))
        assert f"0 of {ROWS:,} rows" in said
        wait_for(lambda: run().done >= ROWS // 10)
        for process in (first, second):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert run().state == ReindexRun.State.RUNNING
        let_leases_expire()
        with (
            worker(app, tmp_path, concurrency=1, settings_module=SETTINGS),
            worker(app, tmp_path, concurrency=1, settings_module=SETTINGS),
        ):
            assert dispatch_stalled("default")  # as the sweeper does every minute
            wait_for(lambda: run().state == ReindexRun.State.FINISHED, lambda: run().done)
    assert run().counts == {"wanted": ROWS, "in_sync": ROWS}
    assert not ReindexChunk.objects.exists()
    in_sync = SyncRecord.in_state(SyncRecord.State.IN_SYNC)
    assert SyncRecord.objects.filter(in_sync).count() == SyncRecord.objects.count() == ROWS
    assert IndexedImage.objects.filter(deleted=None).count() == ROWS
    assert "No drift." in command("testapp.Product", "--verify")
    # Twice at most what a killed worker had described and not stored yet.
    described = Counter(id_ for path in noted.iterdir() for id_ in path.read_text().splitlines())
    assert len(described) == ROWS
    assert described.total() - ROWS <= 2 * 32
    # Each message makes way for one, and the sweeper has sent as many again. Other tasks check
    # whether files have been rewritten.
    assert messages.most <= 2 * MESSAGES, messages
    assert messages.sent <= 2 * MESSAGES + ROWS // 100, messages
