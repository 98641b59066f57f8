from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import services

pytest_plugins = ["tests.fixtures"]

SHARED = Path(
    os.environ.get("VISUALSNOOP_SHARED") or Path(__file__).resolve().parents[2] / "shared"
)


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
