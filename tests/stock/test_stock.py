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

pytestmark = pytest.mark.slow

#: SQLite's writers wait for each other for 5 seconds at most, and each for the disk.
CLIENTS = 4 if TEST_DATABASE == "sqlite" else 8


@pytest.mark.service("redis-server")
def test_following_adds_no_error_and_loses_no_picture(tmp_path: Path) -> None:
    own = None if TEST_DATABASE == "sqlite" else database_of_its_own(database("default"))
    with redis_server(services.require("redis-server"), tmp_path) as redis:
        outcome = run_load(tmp_path, redis=redis, seconds=8, clients=CLIENTS, database=own)
    assert outcome.worse() == []
    assert outcome.tracebacks == []
    assert outcome.ended == {}
    assert [typed.said for typed in outcome.typed if not typed.succeeded] == []
    assert outcome.seconds_to_sync is not None
    assert outcome.verified.succeeded, outcome.verified.said
