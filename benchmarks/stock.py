"""A followed model beside a plain one, under load, in a project as ``startproject`` makes it.

    python -m benchmarks.stock [--database sqlite] [--seconds 120] [--pictures FOLDER]

The project is made by the quickstart's own text. gunicorn serves it with two workers of four
threads; clients save, replace, update and delete rows of both models, whose ``upload_to`` reads a
foreign key, and search. A worker of two processes follows, and a third into the run somebody types
``visualsnoop_reindex``. For each operation the table says how often it was done and how often it
failed on either model, and how much longer it took on the followed one. Ends with 1 if the
followed model failed more often in any operation, if there was a traceback in a log, or if the
rows were not in sync within 30 seconds of the last save.

It needs ``redis-server``, and for PostgreSQL and MariaDB what the tests need.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stock.load import Outcome

#: For --every-command.
EVERY_COMMAND = (
    "visualsnoop_reindex",
    "visualsnoop_sync",
    "visualsnoop_sync --audit",
    "visualsnoop_reindex --missing --prune",
    "visualsnoop_reindex --async",
    "visualsnoop_status --failed",
)
#: Within how many seconds of the last save all must be in sync.
SOON = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add = parser.add_argument
    add("--database", choices=["sqlite", "postgresql", "mariadb"], default="sqlite")
    add("--seconds", type=float, default=120.0)
    add("--clients", type=int, default=8)
    add("--every-command", action="store_true", help="type every command that writes meanwhile")
    add("--pictures", type=Path, help="a folder of pictures to upload; drawn ones if not given")
    add("--keep", type=Path, help="a new folder for the project and its logs, which stays")
    options = parser.parse_args()
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("The benchmark starts its own Redis; install redis-server.")
    os.environ["TEST_DATABASE"] = options.database  # before the settings are read
    from tests.settings import database
    from tests.stock.load import run_load
    from tests.stock.project import database_of_its_own, redis_server

    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        with redis_server(program, folder) as redis:
            outcome = run_load(
                folder,
                redis=redis,
                seconds=options.seconds,
                clients=options.clients,
                commands=EVERY_COMMAND if options.every_command else ("visualsnoop_reindex",),
                pictures=options.pictures,
                database=None
                if options.database == "sqlite"
                else database_of_its_own(database("default")),
            )
    print(
        f"{options.database}, {options.clients} clients for {options.seconds:g} s; "
        f"Python {platform.python_version()}, {os.cpu_count()} cores"
    )
    return report(outcome)


def report(outcome: Outcome) -> int:
    """Print what a run has shown, and return the exit code."""
    from tests.stock.load import FOLLOWED, OPERATIONS, PLAIN

    print(f"{'':22}{'plain':>14}{'followed':>15}{'p50, p99 in ms':>26}{'ratios':>14}")
    print(f"{'':22}{'done failed':>14}{'done failed':>15}{'plain':>13}{'followed':>13}")
    for name in OPERATIONS:
        plain, followed = outcome.tallies[PLAIN, name], outcome.tallies[FOLLOWED, name]
        times = [(t.quantile(0.5), t.quantile(0.99)) for t in (plain, followed)]
        shown = "".join(f"{1000 * half:7.0f}{1000 * most:6.0f}" for half, most in times)
        ratios = "".join(f"{b / a:7.1f}" for a, b in zip(*times, strict=True))
        print(
            f"{name:22}{plain.done:7}{plain.failed:7}{followed.done:8}{followed.failed:7}"
            f"{shown}{ratios}"
        )
    for (kind, name), tally in outcome.tallies.items():
        for error, seconds in tally.errors.items():
            print(f"{kind} {name}: {len(seconds)} x {error}, after {min(seconds):.1f} s or more")
            print(tally.tracebacks[error])
    for error, count in Counter(outcome.tracebacks).most_common():
        print(f"Traceback: {count} x {error}")
    print(f"Tracebacks in logs: {len(outcome.tracebacks)}; ended processes: {outcome.ended}")
    took = outcome.seconds_to_sync
    print("Never in sync" if took is None else f"In sync {took:.0f} s after the last answer")
    typed = [*outcome.typed, outcome.verified]
    for one in typed:
        print(f"$ {one.command}{'' if one.succeeded else ' FAILED'}\n{one.said.strip()}")
    worse = outcome.worse()
    for line in worse:
        print(f"WORSE: {line}")
    passed = (
        not worse
        and not outcome.tracebacks
        and not outcome.ended
        and all(one.succeeded for one in typed)
        and took is not None
        and took <= SOON
    )
    print("PASSED" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
