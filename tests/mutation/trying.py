"""Running the tests of mutants, each in a tree of its own, and how that ends."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.mutation.processes import forked, run_tests
from tests.mutation.rooms import ROOT, module_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pytest

    from tests.mutation.drawing import Mutant
    from tests.mutation.near import Near
    from tests.mutation.rooms import Room


@dataclass
class Run:
    """One process that runs the tests of a mutant."""

    pid: int
    mutant: Mutant
    tree: Path
    deadline: float
    outcome: str = ""


class _Chosen:
    """A plugin of pytest: run these tests only, in this order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._places = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._places),
            key=lambda item: self._places[item.nodeid],
        )


def restore(room: Room, tree: Path) -> None:
    """Put a room's modules back as they were, and drop what was compiled of them."""
    for name in room.modules:
        module = module_in(tree, name)
        if module_in(ROOT, name).is_file():
            shutil.copyfile(module_in(ROOT, name), module)
        for stale in (module.parent / "__pycache__").glob(f"{module.stem}.*"):
            stale.unlink()


def start(mutant: Mutant, room: Room, near: Near, tree: Path) -> Run:
    """Start the tests of a mutant in a tree of its own."""
    tests = near.tests_of(mutant)
    limit = 20 + 5 * sum(near.seconds[test] for test in tests)
    if not tests:
        return Run(0, mutant, tree, 0, "survived")
    restore(room, tree)
    module_in(tree, mutant.module).write_text(mutant.source)

    def run() -> int:
        return run_tests(tree, ["-x", "--reuse-db", *near.files], [_Chosen(tests)])

    with forked(tree, run) as pid:
        return Run(pid, mutant, tree, time.monotonic() + limit)


def is_over(run: Run) -> bool:
    """Whether a run has ended, or has to; then its outcome is noted."""
    if not run.outcome:
        pid, status = os.waitpid(run.pid, os.WNOHANG)
        if pid:
            run.outcome = "noticed" if os.waitstatus_to_exitcode(status) else "survived"
        elif time.monotonic() > run.deadline:
            os.killpg(run.pid, signal.SIGKILL)
            os.waitpid(run.pid, 0)
            run.outcome = "too long"
    if run.outcome and run.pid:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)  # processes that its tests have left
    return bool(run.outcome)


def try_mutants(
    mutants: Iterable[Mutant], room: Room, near: Near, trees: Sequence[Path]
) -> Iterator[Run]:
    """Yield the runs of all mutants, with their outcomes, as many at once as there are trees."""
    databases = make_databases(near, trees[0])
    running: list[Run] = []
    free = list(trees)
    for mutant in mutants:
        while not free:
            over = [run for run in running if is_over(run)]
            running = [run for run in running if run not in over]
            free += [run.tree for run in over]
            yield from over
            time.sleep(0.02)
        tree = free.pop()
        shutil.rmtree(tree / "mutation-databases")
        shutil.copytree(databases, tree / "mutation-databases")
        running.append(start(mutant, room, near, tree))
    while running:
        yield from (over := [run for run in running if is_over(run)])
        running = [run for run in running if run not in over]
        time.sleep(0.02)


def make_databases(near: Near, tree: Path) -> Path:
    """Run all tests without a change, and keep the databases that they leave.

    Raises:
        RuntimeError: a test fails that passed under coverage.
    """
    tests = sorted(near.seconds)
    with forked(
        tree, lambda: run_tests(tree, ["--create-db", "--reuse-db", *near.files], [_Chosen(tests)])
    ) as pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise RuntimeError((tree / "mutation.log").read_text()[-3000:])
    kept = tree / "mutation-databases-kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(tree / "mutation-databases", kept)
    return kept
