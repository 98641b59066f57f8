"""Which faults there are, when each happens, and what happens then."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from tests.faults import collection_proxy, databases

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.faults.processes import Client, Crew

BROKER_STOPPED = "broker: stopped and started"
BROKER_SILENT = "broker: accepts and says nothing"
BROKER_RESET = "broker: connections reset"
BROKER_GONE = "broker: stopped for long"
COLLECTION_GONE = "collection: down for long"
WORKER_KILLED = "worker killed in an upload"
POOL_KILLED = "worker's pool killed in an upload"
OUT_OF_TIME = "worker's soft time limit in an upload"
SWEEPER_KILLED = "sweeper killed"
DATABASE_CUT = "database: connections cut"

#: Kind → its share of all faults; the collection's take the rest, equally.
SHARES = {
    BROKER_STOPPED: 0.03,
    BROKER_SILENT: 0.03,
    BROKER_RESET: 0.04,
    BROKER_GONE: 0.01,
    COLLECTION_GONE: 0.01,
    WORKER_KILLED: 0.03,
    POOL_KILLED: 0.02,
    OUT_OF_TIME: 0.03,
    SWEEPER_KILLED: 0.03,
    DATABASE_CUT: 0.08,
}
#: How long a broker stays away, in seconds.
OUTAGE = (0.2, 3.0)
#: How long it, or the collection, does when that takes long: longer than workers try by messages.
LONG_OUTAGE = (6.0, 12.0)
#: How long to wait for an upload in which to kill someone, or for a request that a fault meets.
PATIENCE = 6.0


@dataclass(frozen=True)
class Happened:
    kind: str
    began: float
    ended: float


def planned(count: int, dice: Random, *, sweepers: bool) -> list[str]:
    """Return the kinds of so many faults, each kind at least once."""
    shares = {kind: share for kind, share in SHARES.items() if sweepers or kind != SWEEPER_KILLED}
    kinds = [kind for kind, share in shares.items() for _ in range(max(1, round(count * share)))]
    others = list(collection_proxy.FAULTS)
    while len(kinds) < count:
        kinds.append(others[len(kinds) % len(others)])
    dice.shuffle(kinds)
    return kinds


class Lane(threading.Thread):
    """Faults that happen one after another, while those of other lanes happen too.

    Args:
        plan: number of done operations → kind, in order.
        act: makes one happen, and returns its name, or ``None`` if there was no occasion.
        progress: returns the number of operations done so far.
    """

    def __init__(
        self,
        name: str,
        plan: list[tuple[int, str]],
        act: Callable[[str], str | None],
        progress: Callable[[], int],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._plan, self._act, self._progress = plan, act, progress
        #: The operations may not go on far beyond this before the next fault has happened.
        self.next_at = float(plan[0][0]) if plan else float("inf")
        self.happened: list[Happened] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for at, kind in self._plan:
                self.next_at = float(at)
                while self._progress() < at:
                    time.sleep(0.02)
                began = time.monotonic()
                if (name := self._act(kind)) is not None:
                    self.happened.append(Happened(name, began, time.monotonic()))
        except Exception as error:  # noqa: BLE001 -- the run ends with it
            self.error = error
        finally:
            self.next_at = float("inf")
            connection.close()


class Fault:
    """What each kind of fault does to the parts of the rig."""

    def __init__(self, crew: Crew, dice: Random) -> None:
        self.crew, self.dice = crew, dice

    def lanes(self, kinds: list[str], span: range, progress: Callable[[], int]) -> list[Lane]:
        """Spread faults over the operations with these numbers."""
        plans: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for kind in kinds:
            plans[_lane_of(kind)].append((self.dice.choice(span), kind))
        acts: dict[str, Callable[[str], str | None]] = {
            "collection": self.in_the_collection,
            "outage": self.of_the_collection,
            "broker": self.at_the_broker,
            "process": self.of_a_process,
            "database": self.in_the_database,
        }
        return [Lane(lane, sorted(plan), acts[lane], progress) for lane, plan in plans.items()]

    def in_the_collection(self, kind: str) -> str | None:
        armed = self.crew.faults.arm(kind)
        if armed.met.wait(PATIENCE):
            return kind
        self.crew.faults.disarm(armed)
        return None

    def of_the_collection(self, kind: str) -> str:
        self.crew.faults.down = True
        try:
            time.sleep(self.dice.uniform(*LONG_OUTAGE))
        finally:
            self.crew.faults.down = False
        return kind

    def at_the_broker(self, kind: str) -> str:
        broker = self.crew.broker
        if kind == BROKER_RESET:
            broker.reset()
            return kind
        end, finish = (
            (broker.stop, broker.start)
            if kind in (BROKER_STOPPED, BROKER_GONE)
            else (broker.fall_silent, broker.speak)
        )
        end()
        try:
            time.sleep(self.dice.uniform(*(LONG_OUTAGE if kind == BROKER_GONE else OUTAGE)))
        finally:
            finish()
        return kind

    def in_the_database(self, kind: str) -> str | None:
        return kind if databases.cut(self.dice) else None

    def of_a_process(self, kind: str) -> str:
        if kind == SWEEPER_KILLED:
            sweeper = self.dice.choice(self.crew.sweepers)
            self._in_an_upload(sweeper, sweeper.restart)
            return kind
        worker = self._ready_worker()
        if kind == POOL_KILLED:
            met = self._in_an_upload(worker, lambda: _signal(worker.children(), signal.SIGKILL))
        elif kind == OUT_OF_TIME:
            # Celery's own way. A process between two tasks ends by it, as it can under Celery.
            met = self._in_an_upload(worker, lambda: _signal(worker.children(), signal.SIGUSR1))
        else:
            met = self._in_an_upload(worker, worker.restart)
        return kind if met else kind.replace("in an upload", "between uploads")

    def _ready_worker(self) -> Client:
        while True:
            ready = [worker for worker in self.crew.workers if worker.is_ready]
            if ready:
                return self.dice.choice(ready)
            time.sleep(0.1)

    def _in_an_upload(self, client: Client, kill: Callable[[], object]) -> bool:
        """Kill while an upload is on its way, which then arrives, or does not."""
        held = client.proxy.hold_next_upload()
        met = held.arrived.wait(PATIENCE)
        client.proxy.held.clear()
        kill()
        held.let(passes=self.dice.random() < 0.5)
        return met


def _lane_of(kind: str) -> str:
    if kind in collection_proxy.FAULTS:
        return "collection"
    if kind == DATABASE_CUT:
        return "database"
    if kind == COLLECTION_GONE:
        return "outage"
    return "broker" if kind.startswith("broker: ") else "process"


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
