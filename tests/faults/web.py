"""A web process: does its share of the operations, and survives a disconnected database.

Its arguments are FOLDER NUMBER OPERATIONS QUIET KEYS SEED.
"""

from __future__ import annotations

import json
import random
import time
import traceback
from collections import Counter
from pathlib import Path

from django.db import DatabaseError, IntegrityError, InterfaceError, connection, transaction

from django_visualsnoop.outbox import dispatch
from tests.faults.board import Board
from tests.faults.measuring import Stopwatch
from tests.faults.operations import Operator

#: The last operations, at most this many or one in ten, are slow enough for workers to follow.
MOST_LATE = 60
LATE_PAUSE = (0.05, 0.3)
#: While only messages trigger syncs, a busy machine must not make a dispatch give up.
PATIENCE_FOR_DISPATCH = 60.0
#: How databases describe a transaction that was aborted in favour of another.
_DEADLOCKS = ("deadlock", "Deadlock", "has changed since last read")
#: Django's message if the row to update no longer exists.
_GONE = "did not affect any rows"


class Web:
    """One process.

    Args:
        quiet: its first operations, in transactions that stay open for a moment.
    """

    def __init__(self, folder: Path, number: int, quiet: int, keys: int, seed: int) -> None:
        self.board = Board(folder / "board")
        self.number, self.quiet = number, quiet
        self.dice = random.Random(f"{seed}/{number}")
        self.operator = Operator(number, keys, self.dice)
        self.stopwatch = Stopwatch(connection)
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.unexpected: list[str] = []

    def run(self, operations: int) -> None:
        late = min(MOST_LATE, operations // 10)
        max_wait, dispatch.MAX_WAIT = dispatch.MAX_WAIT, PATIENCE_FOR_DISPATCH
        for count in range(operations):
            while count >= self.board.allowed:
                time.sleep(0.02)
            if count == self.quiet:
                dispatch.MAX_WAIT = max_wait
                self.stopwatch.clear()
            self._operation(slow=count < self.quiet, late=count >= operations - late)
            self.board.set_done(self.number, count + 1)

    def _operation(self, *, slow: bool, late: bool) -> None:
        kind = self.operator.choose(late=late)
        try:
            if slow:
                with transaction.atomic():
                    self.operator.run(kind)
                    time.sleep(self.dice.uniform(0.05, 0.3))
            else:
                self.operator.run(kind)
        except Exception as error:  # noqa: BLE001 -- the report says which there were
            self._note(error)
            self._make_up()
        self.done[kind] += 1
        if late:
            time.sleep(self.dice.uniform(*LATE_PAUSE))

    def _note(self, error: Exception) -> None:
        said = str(error)
        if not isinstance(error, (DatabaseError, InterfaceError)):
            self.failed["for another reason"] += 1
            self.unexpected.append("".join(traceback.format_exception(error)))
        elif isinstance(error, IntegrityError) or _GONE in said:
            self.failed["another process was faster"] += 1
        elif any(word in said for word in _DEADLOCKS):
            self.failed["deadlock"] += 1
        elif "database is locked" in said:
            self.failed["database locked"] += 1
        else:
            self.failed["database cut off"] += 1

    def _make_up(self) -> None:
        """Open a new connection, and request a sync of files whose transaction failed."""
        while True:
            connection.close()
            try:
                return self.operator.request_again()
            except (DatabaseError, InterfaceError):
                self.failed["requesting again"] += 1
                time.sleep(0.1)

    def report(self) -> dict[str, object]:
        return {
            "done": self.done,
            "failed": self.failed,
            "unexpected": self.unexpected,
            "commits": self.stopwatch.commits,
            "dispatches": self.stopwatch.dispatches,
        }


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0])
    number, operations, quiet, keys, seed = map(int, arguments[1:])
    web = Web(folder, number, quiet, keys, seed)
    web.run(operations)
    (folder / f"web{number}.json").write_text(json.dumps(web.report()))
