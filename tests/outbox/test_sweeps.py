"""The note of the last sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.outbox.sweeps import SweepRun, last_sweep
from django_visualsnoop.sync.worker import sweep
from tests.down import tables_gone
from tests.fixtures import product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


def test_a_sweep_is_noted(recorder: RecorderCollection) -> None:
    assert last_sweep("default") is None
    product(1)
    sweep(using="default")
    run = last_sweep("default")
    assert run is not None
    assert run.worked_on == 1
    assert run.ended_at is not None
    assert run.ended_at >= run.started_at
    sweep(using="default")
    assert SweepRun.objects.get().worked_on == 0


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_cannot_be_noted_is_one_all_the_same(
    recorder: RecorderCollection, caplog: pytest.LogCaptureFixture
) -> None:
    product(1)
    with tables_gone("default", SweepRun._meta.db_table):
        assert sweep(using="default").in_sync == 1
    assert "Could not record the sweep" in caplog.text
