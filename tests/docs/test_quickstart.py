"""The quickstart, done as it is written, by a newcomer who saves many pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import services
from tests.stock.project import (
    QUICKSTART,
    project_of,
    read_instructions,
    redis_server,
    start_celery,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.docs

SAVES = 200


@pytest.mark.service("redis-server")
def test_every_picture_is_found_that_a_newcomer_saves(tmp_path: Path) -> None:
    program = services.require("redis-server")
    with (
        redis_server(program, tmp_path) as redis,
        project_of(QUICKSTART, tmp_path, redis=redis) as project,
    ):
        start_celery(project)
        project.run(f"python -m tests.stock.save_products {SAVES}")
        project.wait_until_in_sync()
        (status,) = project.statuses()
        assert (status["rows"], status["in_sync"]) == (SAVES, SAVES)
        script = read_instructions(QUICKSTART).scripts["search.py"]
        found = project.run("python manage.py shell", script=script).splitlines()
        assert any(line.startswith("second 0 ") for line in found), found
        assert "['first', 'second']" in found, found
        assert project.ended() == {}
        assert project.tracebacks() == []
