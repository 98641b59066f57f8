"""How many small changes of the code that decides would pass its tests.

    python -m tests.mutation [--rooms store clustering] [--sample 60] [--seed 11] [--jobs 2]

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
import json
import os
import tempfile
from collections import Counter
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.mutation.drawing import draw_mutants
from tests.mutation.near import look_near
from tests.mutation.processes import copy_checkout
from tests.mutation.rooms import ROOMS, ROOT
from tests.mutation.trying import restore, try_mutants

if TYPE_CHECKING:
    from collections.abc import Sequence


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
