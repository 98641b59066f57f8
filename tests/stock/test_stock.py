"""Under load, a followed model fails no more often than a plain one, on the settings people have.

``python -m benchmarks.stock`` does the same for longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import services
from tests.settings import TEST_DATABASE, database
from tests.stock.load import run_load
from tests.stock.project import database_of_its_own, redis_server

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.service("redis-server")
def test_following_adds_no_error_and_loses_no_picture(tmp_path: Path) -> None:
    own = None if TEST_DATABASE == "sqlite" else database_of_its_own(database("default"))
    with redis_server(services.require("redis-server"), tmp_path) as redis:
        outcome = run_load(tmp_path, redis=redis, seconds=8, database=own)
    assert outcome.worse() == []
    assert outcome.tracebacks == []
    assert outcome.ended == {}
    assert outcome.reindexed[0] == 0, outcome.reindexed[1]
    assert outcome.seconds_to_sync is not None
    found_no_drift, said = outcome.verified
    assert found_no_drift, said
