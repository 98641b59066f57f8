"""Which tests execute which lines of a room, and how long they take."""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import coverage

from tests.mutation.processes import forked, run_tests
from tests.mutation.rooms import find_tests, module_in

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.mutation.drawing import Mutant
    from tests.mutation.rooms import Room

#: What a mutant's process has to load anew.
OF_THE_PROJECT = {
    "django_visualsnoop",
    "tests",
    "conftest",
    "example_project",
    "benchmarks",
    "__main__",
}


@dataclass
class Near:
    """The tests of a room that count, and the lines of its modules that each executes."""

    files: list[str]
    seconds: dict[str, float]
    #: By the module's name and the line's number; "" is the import.
    by_line: dict[tuple[str, int], set[str]] = field(default_factory=dict)

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that may notice a mutant, the quickest first."""
        lines = range(mutant.first_line, mutant.last_line + 1)
        found: set[str] = set().union(
            *(self.by_line.get((mutant.module, line), set()) for line in lines)
        )
        if "" in found:  # executed at import
            found = set(self.seconds)
        return sorted(found & self.seconds.keys(), key=self.seconds.__getitem__)


class _Seconds:
    """A plugin of pytest: write down how long each test takes that passes."""

    def __init__(self) -> None:
        self.of: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.of[report.nodeid] = report.duration


def look_near(room: Room, tree: Path, slowest: float) -> Near:
    """Run a room's tests under coverage; those that fail do not count.

    Raises:
        RuntimeError: they cannot be run.
    """
    files = find_tests(room)
    notes, lines = tree / "mutation-notes.json", tree / ".coverage"
    lines.unlink(missing_ok=True)

    def measure() -> int:
        seconds = _Seconds()
        names = (f"django_visualsnoop.{name.replace('/', '.')}" for name in room.modules)
        options = [*(f"--cov={name}" for name in names), "--cov-context=test", "--cov-report="]
        code = run_tests(tree, [*options, "--reuse-db", *files], [seconds])
        loaded = [name for name in sys.modules if name.partition(".")[0] not in OF_THE_PROJECT]
        notes.write_text(json.dumps([seconds.of, loaded]))
        return code

    with forked(tree, measure) as pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    log = (tree / "mutation.log").read_text()
    if code == 1:
        print(*(line for line in log.splitlines() if line.startswith("FAILED")), sep="\n")
    elif code:
        raise RuntimeError(log[-3000:])
    seconds, loaded = json.loads(notes.read_text())
    for library in loaded:  # the processes that are forked from now on find them loaded
        with suppress(Exception):
            importlib.import_module(library)
    near = Near(files, {test: one for test, one in seconds.items() if one <= slowest})
    data = coverage.CoverageData(str(lines))
    data.read()
    for name in room.modules:
        for line, contexts in data.contexts_by_lineno(str(module_in(tree, name))).items():
            near.by_line[name, line] = {context.rpartition("|")[0] for context in contexts}
    return near
