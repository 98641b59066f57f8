"""The modules that decide, and the tests that are near them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Room(NamedTuple):
    """Modules that decide, and the tests that are near them; what is not there is passed over."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


def _room(modules: str, tests: str) -> Room:
    return Room(tuple(modules.split()), tuple(tests.split()))


ROOMS = {
    "requests": _room(
        "outbox/requests outbox/upserts",
        "outbox/handlers outbox/saving querysets outbox/dispatch outbox/locking outbox/leases"
        " outbox/requests outbox/upserts sync/worker sync/batch sync/finalize sync/locked"
        " common/interruptions",
    ),
    "tracking": _room(
        "indexed/tracking indexed/descriptors outbox/saving",
        "outbox/handlers outbox/saving querysets models indexed/rows indexed/tracking"
        " indexed/descriptors search/similar outbox/upserts side_by_side",
    ),
    "leases": _room(
        "outbox/leases",
        "outbox/leases outbox/locking sync/worker sync/batch sync/finalize sync/locked concurrency"
        " common/interruptions",
    ),
    "sync": _room(
        "sync/worker sync/batch sync/finalize sync/rewritten",
        "sync/worker sync/batch sync/finalize sync/rewritten sync/locked sync/outdated"
        " outbox/leases outbox/locking signals indexed/rows indexed/keys common/interruptions",
    ),
    "publish": _room(
        "engine/storage/publish",
        "engine/storage/publish engine/replica/reader collections/local engine/sqlite_locks",
    ),
    "store": _room(
        "engine/storage/store",
        "collections/local engine/storage/store engine/storage/store_among_others"
        " engine/storage/publish engine/replica/reader engine/embedding engine/sqlite_locks",
    ),
    "clustering": _room("common/clustering", "common/clustering search/duplicates"),
    "search": _room(
        "search/similar",
        "search/similar search/kinds search/duplicates search/aliases embedded indexed/keys",
    ),
}


def module_in(tree: Path, name: str) -> Path:
    """Return the file of a module in a checkout or a copy of it."""
    return tree / "django_visualsnoop" / f"{name}.py"


def find_tests(room: Room) -> list[str]:
    """Return the files of a room's tests."""
    paths = [Path("tests", *name.split("/")) for name in room.tests]
    files = [str(path.with_name(f"test_{path.name}.py")) for path in paths]
    return [name for name in files if (ROOT / name).is_file()]
