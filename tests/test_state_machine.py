"""Models and collections end in sync, whatever happens in between: a model-based test.

``VISUALSNOOP_MACHINE_EXAMPLES=2000 pytest -s tests/test_state_machine.py`` looks at other
examples each time, as many as it says, and fails unless the rare states were reached.
"""

from __future__ import annotations

import faulthandler
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.changes import KINDS
from tests.machine.machine import SyncMachine

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

LONG_RUN = os.environ.get("VISUALSNOOP_MACHINE_EXAMPLES")
COLLECTION = "tests.machine.collection.InterruptedCollection"
#: States that a long run must have come across, beside every kind of change.
RARE = (
    "a lease expired while its worker stood still",
    "condition turned",
    "message delivered twice",
    "message for a later attempt",
    "message lost",
    "message out of order",
    "key used again before its delete was followed",
    "failed when the sweeper came",
    "retrying when the sweeper came",
    "row changed during a call",
    "row without a request found by an audit",
    "rows that a cascade deleted",
    "same name, other content",
    "savepoint rolled back",
    "stale instance brought a deleted row back",
    "stale instance saved over a newer row",
    "time limit came",
    "transaction rolled back",
    "worker killed",
)


@pytest.mark.django_db(transaction=True)
def test_models_and_collections_end_in_sync(settings_: Settings, media: Path) -> None:
    SyncMachine.reached.clear()
    if LONG_RUN is not None:
        faulthandler.cancel_dump_traceback_later()  # it may well take longer than any other test
    try:
        run_state_machine_as_test(
            SyncMachine,
            settings=settings(
                max_examples=int(LONG_RUN or 15),
                phases=[Phase.generate, Phase.shrink],
                stateful_step_count=30,
                derandomize=LONG_RUN is None,
                database=None,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        for name, count in sorted(SyncMachine.reached.items()):
            print(f"{count:8,}  {name}")  # noqa: T201 -- what -s is for
    if LONG_RUN is not None:
        expected = {*RARE, *(f"change: {kind}" for kind in KINDS)}
        assert {name for name in expected if not SyncMachine.reached[name]} == set()


@pytest.fixture
def settings_(settings: Settings) -> Settings:
    """Every collection is one that can be interrupted; a storage that overwrites."""
    settings.VISUALSNOOP = {"default": {"BACKEND": COLLECTION}, "archive": {"BACKEND": COLLECTION}}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"allow_overwrite": True},
        },
    }
    return settings
