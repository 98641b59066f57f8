from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import services
from tests.index_choice import choose_index

# The second is also an entry point, which an installation from before it lacks.
pytest_plugins = ["tests.fixtures", "django_visualsnoop.pytest_plugin"]

SHARED = Path(
    os.environ.get("VISUALSNOOP_SHARED") or Path(__file__).resolve().parents[2] / "shared"
)


#: Fixtures of pytest-django that open a database.
DATABASE = frozenset(("db", "transactional_db", "live_server", "django_db_setup"))
#: Tests with one of these markers, or that need a service, start processes, which may open one.
PROCESSES = ("slow", "example", "docs")


def pytest_sessionstart() -> None:
    choose_index()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that are the same whichever the database, since they ask none."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        asks = item.get_closest_marker("django_db") or not DATABASE.isdisjoint(fixtures)
        needed = {name for marker in item.iter_markers("service") for name in marker.args}
        asks = asks or not needed <= services.WITHOUT_DATABASE
        if not asks and not any(map(item.get_closest_marker, PROCESSES)):
            item.add_marker("no_database")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("service"):
        for name in marker.args:
            services.require(name)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photos and hostile files that are no part of the project."""
    if not (SHARED / "photos").is_dir():
        pytest.skip(f"needs the shared photos; none at {SHARED}, set VISUALSNOOP_SHARED")
    return SHARED
