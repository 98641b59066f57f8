"""Rows change in every way while workers come late, twice, in disorder, die, or never come.

Once the sweeper and the audit have run, collections and records must be what the rows say.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

from billiard.exceptions import SoftTimeLimitExceeded
from django.db import connections
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from django_visualsnoop import tasks
from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    RateLimitedError,
    ServerError,
    TransportError,
)
from django_visualsnoop.collections import collections
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.requests import request_again
from django_visualsnoop.sync import finalize, worker
from django_visualsnoop.sync.audit import audit
from tests.machine.changes import KINDS, Change, Changer
from tests.machine.collection import InterruptedCollection
from tests.machine.world import ALIASES, PICTURES, SLOTS, Slot, identifiers, wanted
from tests.testapp.models import Article, Document, Listing, Poster, Product, Shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

#: Longer than any wait between attempts.
LONG = timedelta(hours=3)
#: Longest time that a thread of a worker may take, in seconds; only a defect takes it.
PATIENCE = 20


class WorkerKilledError(BaseException):
    """Ends a worker in the midst of a call."""


ERRORS: tuple[BaseException, ...] = (
    TransportError("no answer"),
    ServerError("busy", status=503),
    RateLimitedError("too many", status=429, retry_after=7200.0),
    AuthenticationError("wrong key", status=401),
    RuntimeError("a defect of the backend"),
    WorkerKilledError(),
    SoftTimeLimitExceeded(),
)


def _changes_of(slot: Slot) -> st.SearchStrategy[Change]:
    return st.builds(
        Change,
        kind=st.sampled_from(KINDS),
        slot=st.just(slot),
        key=st.sampled_from(slot.keys),
        letter=st.sampled_from("ab"),
        number=st.integers(0, PICTURES),
        option=st.integers(0, 11),
    )


CHANGES = st.sampled_from((SLOTS[0], *SLOTS)).flatmap(_changes_of)
FEW = st.lists(CHANGES, max_size=3)


class StalledWorker:
    """A worker that stands still in the midst of its next call to a collection."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.leased_at = timezone.now()
        self._standing, self._go_on = threading.Event(), threading.Event()
        InterruptedCollection.before.appendleft(self._stand)
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()
        while self._thread.is_alive() and not self._standing.wait(0.01):
            pass
        if self._stand in InterruptedCollection.before:
            InterruptedCollection.before.remove(self._stand)

    @property
    def stands(self) -> bool:
        return self._standing.is_set()

    def wake(self) -> None:
        self._go_on.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _stand(self) -> None:
        self._standing.set()
        assert self._go_on.wait(PATIENCE * 10)

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (WorkerKilledError, SoftTimeLimitExceeded):
            pass
        finally:
            connections.close_all()


class SyncMachine(RuleBasedStateMachine):
    #: How often each state was reached, in all examples of a run.
    reached: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.changer = Changer(self.reached)
        self.queue: list[tuple[str, list[str]]] = []
        self.stalled: list[StalledWorker] = []
        self.late = timedelta()
        #: Steps since everything was in sync.
        self.steps_since_sync = 0
        self.defects: list[BaseException] = []

    @initialize(changes=st.lists(CHANGES, min_size=4, max_size=8), outspoken=st.booleans())
    def begin(self, changes: list[Change], outspoken: bool) -> None:
        """Start with some rows that are in sync, known to instances that will be stale."""
        self.patches = ExitStack()
        self.patches.enter_context(mock.patch.object(dispatch, "dispatch_records", self._publish))
        self.now = timezone.now
        self.patches.enter_context(mock.patch.object(timezone, "now", self._later))
        overtaken = "a lease expired while its worker stood still"

        def counted(record: SyncRecord, *, using: str) -> None:
            self.reached[overtaken] += 1
            request_again(record, using=using)

        self.patches.enter_context(mock.patch.object(finalize, "request_again", counted))
        for model in (Poster, Product, Shop, Article, Document, Listing, SyncRecord):
            model._base_manager.all()._raw_delete("default")
        for alias in ALIASES:
            cast("InterruptedCollection", collections[alias]).clear()
        InterruptedCollection.before.clear()
        InterruptedCollection.after.clear()
        logging.disable(logging.CRITICAL)
        self.reached["examples"] += 1
        self.reached["examples in which every change leaves a request"] += outspoken
        self.changer.outspoken = outspoken
        for change in changes:
            self.changer.apply(replace(change, kind="create"))
            self.changer.apply(replace(change, kind="load_stale"))
        self._sweep_all()

    def teardown(self) -> None:
        try:
            self.converge()
            while self.stalled:
                self.wake(0)
            self.converge()
        finally:
            for stalled in self.stalled:
                stalled.wake()
            logging.disable(logging.NOTSET)
            self.patches.close()

    # What a project does.

    @rule(changes=st.lists(CHANGES, min_size=2, max_size=5))
    def change(self, changes: list[Change]) -> None:
        for change in changes:
            self.changer.apply(change)
        self._count_step()

    @rule(before=FEW, inner=FEW, after=FEW, rollback=st.booleans())
    def transaction(
        self, before: list[Change], inner: list[Change], after: list[Change], rollback: bool
    ) -> None:
        self.changer.in_transaction(before, inner, after, rollback=rollback)
        self.reached["transaction rolled back" if rollback else "transaction"] += 1
        self.reached["savepoint rolled back"] += bool(inner)
        self._count_step()

    # What becomes of the messages.

    @precondition(lambda self: self.queue)
    @rule(place=st.integers(0, 20), times=st.integers(0, 2), keep=st.booleans())
    def deliver(self, place: int, times: int, keep: bool) -> None:
        place %= len(self.queue)
        using, ids = self.queue[place]
        if not keep:
            del self.queue[place]
        for _ in range(times):
            self._work(lambda: tasks.sync_records(using, ids))
        self.reached["message out of order"] += bool(place and times)
        self.reached["message lost"] += not (keep or times)
        self.reached["message delivered twice"] += times == 2 or (keep and times > 0)
        self._count_step()

    @rule(limit=st.none() | st.integers(1, 5))
    def sweep(self, limit: int | None) -> None:
        self._work(lambda: worker.sweep(using="default", limit=limit, batch_size=2))
        self._count_step()

    @rule(batch_size=st.integers(1, 3))
    def audit(self, batch_size: int) -> None:
        self.reached["row without a request found by an audit"] += audit(
            using="default", batch_size=batch_size
        )
        self._count_step()

    @rule(seconds=st.sampled_from([1, 10, 60, 4000]))
    def wait(self, seconds: int) -> None:
        self.late += timedelta(seconds=seconds)
        self._count_step()

    # What goes wrong.

    @rule(alias=st.sampled_from(ALIASES), error=st.sampled_from(ERRORS), times=st.integers(1, 3))
    def fail(self, alias: str, error: BaseException, times: int) -> None:
        collection = cast("InterruptedCollection", collections[alias])
        collection.fail_with(error, times=times)
        self._count_step()

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=2), before=st.booleans())
    def change_during_a_call(self, changes: list[Change], before: bool) -> None:
        def meanwhile() -> None:
            try:
                for change in changes:
                    self.changer.apply(change)
            except Exception as error:  # noqa: BLE001 -- raised again where it cannot be swallowed
                self.defects.append(error)
            self.reached["row changed during a call"] += 1

        hooks = InterruptedCollection.before if before else InterruptedCollection.after
        hooks.append(meanwhile)
        self._count_step()

    @precondition(lambda self: len(self.stalled) < 2)
    @rule(place=st.none() | st.integers(0, 20))
    def stall(self, place: int | None) -> None:
        """Let a worker stop at its next call, following a message or sweeping."""
        if place is None or not self.queue:
            stalled = StalledWorker(lambda: cast("None", worker.sweep(using="default", limit=3)))
        else:
            using, ids = self.queue[place % len(self.queue)]
            stalled = StalledWorker(lambda: tasks.sync_records(using, ids))
        if stalled.stands:
            self.stalled.append(stalled)
            self.reached["worker stood still in a call"] += 1
        self._no_defects()
        self._count_step()

    @precondition(lambda self: self.stalled)
    @rule(place=st.integers(0, 1))
    def wake(self, place: int) -> None:
        self.stalled.pop(place % len(self.stalled)).wake()
        self._no_defects()
        self._count_step()

    # What must hold.

    @precondition(lambda self: self.steps_since_sync > 3)
    @rule()
    def converge(self) -> None:
        """Sweep, audit, sweep: then all are in sync, even if a worker still stands somewhere."""
        InterruptedCollection.before.clear()
        InterruptedCollection.after.clear()
        state = SyncRecord.State
        for name, condition in (("retrying", state.RETRYING), ("failed", state.FAILED)):
            found = SyncRecord.objects.filter(SyncRecord.in_state(condition)).count()
            self.reached[f"{name} when the sweeper came"] += found
        self._sweep_all()
        found = audit(using="default", batch_size=2)
        assert not (found and self.changer.outspoken), "A request is missing."
        self.reached["row without a request found by an audit"] += found
        self._sweep_all()
        held = {
            alias: cast("InterruptedCollection", collections[alias]).images for alias in ALIASES
        }
        assert held == wanted()
        records = list(SyncRecord.objects.all())
        assert {(record.collection, record.image_id) for record in records} == identifiers()
        there = {(alias, image_id) for alias, images in held.items() for image_id in images}
        for record in records:
            in_sync = record.state is state.IN_SYNC
            assert in_sync or record.state is state.FAILED
            assert in_sync or (record.collection, record.image_id) not in there
        assert audit(using="default") == 0
        self.reached["converged"] += 1
        self.reached["pictures compared"] += len(there)
        self._count_step()
        self.steps_since_sync = 0

    def _sweep_all(self) -> None:
        for _ in range(20):
            self.late += LONG
            try:
                if not worker.sweep(using="default").worked_on:
                    return
            except WorkerKilledError:
                self.reached["worker killed"] += 1
            except SoftTimeLimitExceeded:
                self.reached["time limit came"] += 1
        raise AssertionError("The sweeper found no end.")

    def _work(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except WorkerKilledError:
            self.reached["worker killed"] += 1
        except SoftTimeLimitExceeded:
            self.reached["time limit came"] += 1
        self._no_defects()

    def _count_step(self) -> None:
        self.reached["steps"] += 1
        self.steps_since_sync += 1

    def _later(self) -> datetime:
        return self.now() + self.late

    def _no_defects(self) -> None:
        if self.defects:
            raise self.defects.pop()

    def _publish(self, using: str, ids: list[str], countdown: float | None = None) -> bool:
        self.queue.append((using, list(ids)))
        self.reached["message for a later attempt"] += countdown is not None
        return True
