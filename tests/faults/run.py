"""One run: start all processes, let operations and faults happen, and compare the results."""

from __future__ import annotations

import json
import random
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from django.db import connection

from django_visualsnoop.sync.audit import audit
from tests.faults import databases, report
from tests.faults.board import Board
from tests.faults.brokers import RabbitMQ, Redis
from tests.faults.faults import Fault, planned
from tests.faults.observing import Observer, compare
from tests.faults.processes import Crew
from tests.v1server import V1Server

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from tests.faults.brokers import Broker
    from tests.faults.faults import Lane
    from tests.faults.report import Report

WORKERS = 2
SWEEPERS = 2
#: Operations of each web process without faults: one in ten, and at most so many.
MOST_QUIET = 30
#: How long the records of these may take to be in sync, in seconds.
QUIET_PATIENCE = 60.0
#: How far, as a part of all, operations go on while a fault is due that has not happened yet.
SLACK = 0.02
FEWEST_SLACK = 60.0


def run(options: argparse.Namespace, folder: Path) -> Report:
    with ExitStack() as stack:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        stack.callback(connection.creation.destroy_test_db, _name(connection), verbosity=0)
        stack.callback(connection.close)
        server = stack.enter_context(V1Server())
        broker: Broker = Redis(folder) if options.broker == "redis" else RabbitMQ()
        stack.callback(broker.close)
        changes = {"RIG_BREAK": options.broken or ""}
        if options.lease_margin is not None:
            changes["RIG_LEASE_MARGIN"] = str(options.lease_margin)
        crew = Crew(folder, broker, server.server_address[:2], changes)  # type: ignore[arg-type]
        stack.callback(crew.close)
        return Run(options, folder, server, crew).go()


def _name(connection: Any) -> str:
    return str(connection.settings_dict["NAME"])


class Run:
    def __init__(
        self, options: argparse.Namespace, folder: Path, server: V1Server, crew: Crew
    ) -> None:
        self.options, self.folder, self.server, self.crew = options, folder, server, crew
        self.dice = random.Random(options.seed)
        self.board = Board(folder / "board")
        self.observer = Observer()
        self.total = options.operations
        share, rest = divmod(self.total, options.webs)
        self.shares = [share + (number < rest) for number in range(options.webs)]
        self.quiet = min(MOST_QUIET, share // 10)
        self.lanes: list[Lane] = []
        said = {name: value for name, value in vars(options).items() if name not in _UNTOLD}
        versions = f"{options.database} {databases.version()}"
        self.report = report.Report(report.machine(versions, options.broker), said)

    def go(self) -> Report:
        started = time.monotonic()
        self.start()
        if self.sync_quietly():
            self.go_wrong()
            self.compare()
        self.report.seconds = time.monotonic() - started
        self.report.ended_by_themselves = self.crew.ended_by_themselves
        self.report.looks = self.observer.looks
        self.report.ever_out_of_sync = len(self.observer.ever_out_of_sync)
        self.report.most_at_once = self.observer.most_at_once
        self.report.add_logs(sorted(self.folder.glob("*.log")))
        return self.report

    def start(self) -> None:
        for _ in range(WORKERS):
            self.crew.start_worker()
        for worker in self.crew.workers:
            worker.wait_until_ready()
        keys = max(8, self.total // 60)
        for share in self.shares:
            self.crew.start_web(share, self.quiet, keys, self.options.seed)

    def sync_quietly(self) -> bool:
        """Wait until messages alone have synced the first records; return whether they did."""
        self.board.allowed = self.quiet
        while self.progress() < self.quiet * self.options.webs:
            self._look()
        ended = time.monotonic()
        patience = min(QUIET_PATIENCE, self.options.patience)
        synced = self.observer.wait_until_in_sync(patience, self._check)
        if synced is None:
            self.report.failures.append(
                f"without faults, messages alone left {self.observer.now} records pending"
            )
            return False
        self.report.quiet_seconds = synced - ended
        return True

    def go_wrong(self) -> None:
        """Let faults happen while operations go on."""
        sweepers = self.options.broken != "sweeper"
        for _ in range(SWEEPERS if sweepers else 0):
            self.crew.start_sweeper()
        kinds = planned(self.options.faults, self.dice, sweepers=sweepers)
        fault = Fault(self.crew, self.dice)
        self.lanes = fault.lanes(kinds, range(self.progress(), self.total), self.progress)
        for lane in self.lanes:
            lane.start()
        slack = max(FEWEST_SLACK, self.total * SLACK)
        while not self.crew.webs_are_done or any(lane.is_alive() for lane in self.lanes):
            due = min(lane.next_at for lane in self.lanes)
            self.board.allowed = min(due + slack, self.total) / self.options.webs
            self._look()
        for lane in self.lanes:
            if lane.error is not None:
                raise lane.error

    def compare(self) -> None:
        """Wait until all records are in sync, and compare rows and collections."""
        ended = time.monotonic()
        synced = self.observer.wait_until_in_sync(self.options.patience, self._check)
        if synced is not None:
            self.report.seconds_to_sync = synced - ended
        commits, dispatches = [], []
        for number in range(self.options.webs):
            result = json.loads((self.folder / f"web{number}.json").read_text())
            self.report.add_web(result)
            commits += result["commits"]
            dispatches += result["dispatches"]
        happened = [one for lane in self.lanes for one in lane.happened]
        self.report.add_faults(happened, self.options.faults)
        self.report.add_times(commits, dispatches, happened, longest_wait=self.options.longest_wait)
        self.report.add_comparison(compare(self.server.service))
        self.report.add_audit(audit(using="default", dispatch=False))

    def progress(self) -> int:
        return sum(self.board.done(number) for number in range(self.options.webs))

    def _look(self) -> None:
        self._check()
        self.observer.look()
        self.server.received.clear()
        time.sleep(0.1)

    def _check(self) -> None:
        """Raise if a web process has ended too early; start others again that have ended."""
        self.crew.check_webs()
        self.crew.supervise()


#: Options that say nothing about a run.
_UNTOLD = {"json", "logs"}
