"""How many small changes of the code that decides would pass its tests.

    python benchmarks/mutation.py [--rooms store grouping] [--sample 60] [--seed 11] [--jobs 2]

Each mutant is one room's file with one change: those that mutmut's operators make (a
comparison shifted, ``and`` for ``or``, an argument left out or ``None``, a number one more, a
string in X), and two more: a call or a ``raise`` left out, a condition turned. Annotations,
decorators and docstrings are left alone. Of a room with more of them than ``--sample``, a random
sample of that size is tried.

The tests of a room run once under coverage; those that take more than ``--slowest`` seconds are
left out. Then each mutant runs the tests that execute a line of it, the quickest first, up to the
first failure. What fails, breaks the import or takes far longer than before is noticed.

The runs take place in copies of the checkout in TMPDIR, with SQLite, each in a process of its own
that is forked after the libraries are loaded (so not on Windows). ``--output`` names a file of
JSON lines that tell what became of each mutant.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import coverage
import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
#: What a mutant's process has to load anew.
OF_THE_PROJECT = {"django_visualsnoop", "tests", "conftest", "example_project", "__main__"}
OPTIONS = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
#: pytest's plugins are among what is loaded beforehand.
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
#: Calls whose change tells nothing, as in mutmut.
UNCHANGED_CALLS = {"len", "isinstance", "cast", "TypeVar", "super"}


class Room(NamedTuple):
    """Modules that decide, and the tests that are near them; what is not there is passed over."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


def _room(modules: str, tests: str) -> Room:
    return Room(tuple(modules.split()), tuple(tests.split()))


ROOMS = {
    "requests": _room(
        "wishes upserts",
        "handlers querysets hints locking claims sync wishes upserts interruptions locked",
    ),
    "tracking": _room(
        "touched saving", "handlers querysets rows searching touched upserts side_by_side"
    ),
    "leases": _room("claims", "claims sync locking concurrency interruptions locked"),
    "sync": _room(
        "sync batch settling rewritten",
        "sync claims signals rows locking upgrading interruptions locked keys",
    ),
    "publish": _room(
        "engine/publish",
        "engine/publish engine/follow collections/local engine/sqlite_locks",
    ),
    "store": _room(
        "engine/store",
        "collections/local engine/store engine/follow engine/publish engine/looks"
        " engine/store_among_others engine/sqlite_locks",
    ),
    "grouping": _room("grouping", "grouping duplicates"),
    "searching": _room("searching", "searching similar duplicates embedded keys aliases"),
}


class Mutant(NamedTuple):
    """One change of a module."""

    #: Below the package, without its ending.
    module: str
    first_line: int
    last_line: int
    before: str
    after: str
    source: str


@dataclass
class Run:
    """One process that runs the tests of a mutant."""

    pid: int
    mutant: Mutant
    tree: Path
    deadline: float
    outcome: str = ""


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


class _Mutator(cst.CSTVisitor):
    """Collects the changes of a module, as pairs of nodes."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[int, int, cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _is_left_alone(node):
            return False
        place = self.get_metadata(PositionProvider, node, None)
        if place is not None:
            self.changes += [
                (place.start.line, place.end.line, node, changed) for changed in _changed(node)
            ]
        return True


def _is_left_alone(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.If):
        return isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING"
    if isinstance(node, cst.Call):
        return isinstance(node.func, cst.Name) and node.func.value in UNCHANGED_CALLS
    return isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom)


def _changed(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            changes = list(operator(node))
            # Of three ways to change a string, one is enough: "XX…XX" comes first.
            yield from changes[:1] if isinstance(node, cst.BaseString) else changes
    if isinstance(node, cst.SimpleStatementLine) and _can_be_left_out(node.body[0]):
        yield node.with_changes(body=[cst.Pass()])
    if isinstance(node, cst.If):
        turned = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), turned))


def _can_be_left_out(statement: cst.CSTNode) -> bool:
    if isinstance(statement, cst.Raise):
        return True
    return isinstance(statement, cst.Expr) and isinstance(statement.value, cst.Call)


def draw_mutants(room: Room, size: int, seed: int) -> tuple[int, list[Mutant]]:
    """Return how many changes of a room there are, and a random sample of the mutants.

    Changes that make no Python, or a mutant that is there already, are passed over.
    """
    changes = []
    for name in room.modules:
        path = module_in(ROOT, name)
        if path.is_file():
            wrapper, mutator = MetadataWrapper(cst.parse_module(path.read_text())), _Mutator()
            wrapper.visit(mutator)
            changes += [(name, wrapper.module, *change) for change in mutator.changes]
    drawn: dict[str, Mutant] = {}
    for name, module, first, last, node, changed in random.Random(seed).sample(
        changes, len(changes)
    ):
        if len(drawn) == size:
            break
        mutated = module.deep_replace(node, changed)
        assert isinstance(mutated, cst.Module)
        code = mutated.code
        with suppress(SyntaxError):
            compile(code, "mutant", "exec", dont_inherit=True)
            before, after = (module.code_for_node(one) for one in (node, changed))
            drawn.setdefault(code, Mutant(name, first, last, before, after, code))
    return len(changes), list(drawn.values())


def module_in(tree: Path, name: str) -> Path:
    """Return the file of a module in a checkout or a copy of it."""
    return tree / "django_visualsnoop" / f"{name}.py"


class _Chosen:
    """A plugin of pytest: run these tests only, in this order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._places = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._places),
            key=lambda item: self._places[item.nodeid],
        )


class _Seconds:
    """A plugin of pytest: write down how long each test takes that passes."""

    def __init__(self) -> None:
        self.of: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.of[report.nodeid] = report.duration


def run_tests(tree: Path, arguments: Sequence[str], plugins: Sequence[object]) -> int:
    """Run pytest in a tree, in this process, which must be a forked one."""
    os.chdir(tree)
    os.environ.update(TEST_DATABASE="sqlite", PYTHONPATH=str(tree))
    os.environ["TEST_SQLITE_FOLDER"] = str(tree / "mutation-databases")
    os.environ["TEST_MEDIA_ROOT"] = str(tree / "mutation-media")
    options = [*OPTIONS, f"--basetemp={tree / 'mutation-files'}"]
    sys.path[:] = [str(tree), *(path for path in sys.path if Path(path).resolve() != ROOT)]
    return int(pytest.main([*options, *arguments], plugins=list(plugins)))


@contextmanager
def forked(tree: Path, function: Callable[[], int]) -> Iterator[int]:
    """Start a process, in a group and with a log of its own; yield its id."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            log = os.open(tree / "mutation.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(log, stream)
            code = function()
        except Exception:  # noqa: BLE001 -- who started it reads the log
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    yield pid


def copy_checkout(into: Path) -> Path:
    """Copy what Git knows of, or would, of the checkout; make its databases."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, into / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    (into / "mutation-databases").mkdir(parents=True)
    return into


def find_tests(room: Room) -> list[str]:
    """Return the files of a room's tests."""
    paths = [Path("tests", *name.split("/")) for name in room.tests]
    files = [str(path.with_name(f"test_{path.name}.py")) for path in paths]
    return [name for name in files if (ROOT / name).is_file()]


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


def try_room(name: str, trees: Sequence[Path], options: Any) -> tuple[int, Counter[str]]:
    """Try a room's mutants; return how many there are in all, and how those tried ended."""
    room = ROOMS[name]
    count, mutants = draw_mutants(room, options.sample, options.seed)
    near = look_near(room, trees[0], options.slowest)
    ended: Counter[str] = Counter()
    for run in try_mutants(mutants, room, near, trees):
        ended[run.outcome] += 1
        told = {"room": name, "outcome": run.outcome, "tests": len(near.tests_of(run.mutant))}
        line = json.dumps(told | run.mutant._asdict() | {"source": None})
        if options.output:
            with options.output.open("a") as file:
                file.write(f"{line}\n")
        if run.outcome == "survived":
            print(f"{run.mutant.module}.py:{run.mutant.first_line}", "survived")
            print(f"    - {' '.join(run.mutant.before.split())}")
            print(f"    + {' '.join(run.mutant.after.split())}", flush=True)
    for tree in trees:
        restore(room, tree)
    return count, ended


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--sample", type=int, default=60, metavar="N")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--slowest", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("VISUALSNOOP_SHARED", str(ROOT.parent / "shared"))
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    totals = {}
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        trees = [copy_checkout(Path(folder, str(number))) for number in range(options.jobs)]
        for name in options.rooms:
            totals[name] = try_room(name, trees, options)
            print(name, totals[name], flush=True)
    print(f"{'Room':<12}{'Mutants':>8}{'Tried':>8}{'Survived':>10}{'Too long':>10}")
    for name, (count, ended) in totals.items():
        print(
            f"{name:<12}{count:>8}{ended.total():>8}{ended['survived']:>10}{ended['too long']:>10}"
        )


if __name__ == "__main__":
    main()
