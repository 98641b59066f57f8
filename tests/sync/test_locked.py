"""Workers and commands among other writers: they wait and come back, without a traceback."""

from __future__ import annotations

import io
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, OperationalError, connection, connections

from django_visualsnoop.common import transactions
from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.management.commands import visualsnoop_duplicates as duplicates
from django_visualsnoop.management.commands import visualsnoop_status as status
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import dispatch, leases, locking, requests
from django_visualsnoop.outbox.leases import Lease
from django_visualsnoop.outbox.requests import SyncRequest
from django_visualsnoop.sync import audit as audit_module
from django_visualsnoop.sync import batch, finalize, reindex, worker
from django_visualsnoop.sync.batch import Batch
from django_visualsnoop.tasks import audit, sync_all, sync_records
from tests.fixtures import product, record_of
from tests.records import failing
from tests.testapp.models import Product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(transaction=True)
State = SyncRecord.State


@pytest.fixture
def stock() -> Iterator[None]:
    """SQLite as ``startproject`` sets it up: transactions begin with the first statement."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has one writer at a time")
    options = connections.settings["default"]["OPTIONS"]
    before = dict(options)
    connection.close()
    options.pop("transaction_mode", None)
    yield
    connection.close()
    options.update(before)


class Rival:
    """Another program that writes whenever SQLite lets it, and holds on for a while."""

    def __init__(self) -> None:
        self.tried = self.got_in = 0
        self._other = sqlite3.connect(
            connection.settings_dict["NAME"],
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
        )

    def write(self) -> None:
        self.tried += 1
        try:
            self._other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return
        self.got_in += 1
        self._other.execute("UPDATE testapp_product SET name = name || '!'")
        threading.Timer(0.3, self._commit).start()

    def _commit(self) -> None:
        self._other.execute("COMMIT")

    def close(self) -> None:
        self._other.close()


@pytest.fixture
def rival(stock: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rival]:
    """One that tries to get in between what a worker reads and what it writes."""
    rival = Rival()
    lock_skipping_locked = locking.lock_skipping_locked

    def interfering(records: Any) -> Any:
        found = lock_skipping_locked(records)
        rival.write()
        return found

    for module in (leases, finalize, requests):
        monkeypatch.setattr(module, "lock_skipping_locked", interfering)
    yield rival
    rival.close()


def _sweep() -> int:
    return worker.sweep(using="default").in_sync


def _write() -> int:
    field = indexed_field(Product, "photo")
    found = [SyncRequest(field, field.object_id(row)) for row in Product.objects.all()]
    return len(requests.request_sync_skipping_locked(found, using="default"))


def _retry() -> int:
    failing(2)
    return requests.retry_failed(SyncRecord.objects.all()) - 1


@pytest.mark.parametrize("work", [_sweep, _write, _retry])
@pytest.mark.usefixtures("recorder")
def test_who_reads_before_he_writes_holds_the_lock_already(
    rival: Rival, work: Callable[[], int]
) -> None:
    product(1)
    assert work() == 1
    assert rival.tried
    assert rival.got_in == 0


@pytest.mark.usefixtures("stock")
def test_many_workers_and_a_writer_on_stock_sqlite(
    recorder: RecorderCollection, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[BaseException] = []

    def work(what: Callable[[], object]) -> None:
        try:
            for _ in range(8):
                what()
        except BaseException as error:  # noqa: BLE001 -- is told by the test
            errors.append(error)
        finally:
            connections.close_all()

    def save() -> None:
        Product.objects.create(photo="products/scene1.png", name="new")

    product(1)
    does = [save, lambda: sync_all(), lambda: sync_all(), lambda: audit(), _write]
    threads = [threading.Thread(target=work, args=(what,)) for what in does]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert "Traceback" not in caplog.text
    worker.sweep(using="default")
    assert not SyncRecord.objects.filter(SyncRecord.in_progress()).exists()
    assert len(recorder.images) == 9


def deadlock() -> OperationalError:
    return OperationalError(1213, "Deadlock found when trying to get lock")


@contextmanager
def refusing(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, times: int
) -> Iterator[list[int]]:
    """Let a step meet a lock so many times before it goes through."""
    step = getattr(owner, name)
    met: list[int] = []

    def locked(*args: Any, **kwargs: Any) -> Any:
        if len(met) < times:
            met.append(1)
            raise deadlock()
        return step(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, locked)
        yield met


TAKE, FINALIZE, READ = (Lease, "_acquire"), (Lease, "finalize_all"), (Batch, "_stored")


@pytest.mark.parametrize(("owner", "name"), [TAKE, FINALIZE, READ])
def test_a_step_that_met_a_lock_is_done_again(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    row = product(1)
    with refusing(monkeypatch, owner, name, times=2) as met:
        worker.sweep(using="default")
    assert len(met) == 2
    assert record_of(row).state == State.IN_SYNC
    assert record_of(row).attempts == 0


def refuse_to_finalize(monkeypatch: pytest.MonkeyPatch, errors: list[Any]) -> None:
    """Let finalizing records raise these errors, one at a time, before it goes through."""
    for name in ("finalize_all", "finalize"):
        finalize = getattr(Lease, name)

        def refused(*args: Any, finalize: Any = finalize, **changes: Any) -> Any:
            if errors:
                raise errors.pop(0)
            return finalize(*args, **changes)

        monkeypatch.setattr(Lease, name, refused)


@pytest.mark.parametrize("locks", [0, 1, 2, 3])
def test_a_lock_met_while_records_are_finalized_one_by_one(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch, locks: int
) -> None:
    """The database refuses two records together; then each meets locks, and goes through."""
    rows = [product(1), product(2)]
    errors = [DataError("out of range"), *(deadlock() for _ in range(locks))]
    refuse_to_finalize(monkeypatch, errors)
    worker.sweep(using="default")
    assert errors == []
    for row in rows:
        record = record_of(row)
        assert (record.state, record.attempts, record.reason) == (State.IN_SYNC, 0, "")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a lock."""
    for module in (transactions, worker, batch, finalize, leases):
        monkeypatch.setattr(module, "retry_when_locked", lambda work, **_: work())


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("owner", "name"), [TAKE, FINALIZE])
def test_a_task_whose_patience_ran_out_gives_back_and_ends_quietly(
    recorder: RecorderCollection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    owner: Any,
    name: str,
) -> None:
    monkeypatch.setattr(dispatch, "dispatch_records", lambda *_, **__: True)
    row = product(1)
    with refusing(monkeypatch, owner, name, times=99):
        sync_records("default", [str(record_of(row).pk)])
        assert sync_all() == 0
    assert "the database 'default' was locked for too long" in caplog.text
    assert "Traceback" not in caplog.text
    record = record_of(row)
    assert (record.state, record.lease) == (State.WAITING, None)
    worker.sweep(using="default")
    assert record_of(row).state == State.IN_SYNC


@pytest.mark.usefixtures("impatient", "recorder")
def test_a_lock_is_no_failure_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the database has refused to finalize it with others before."""
    monkeypatch.setattr(dispatch, "dispatch_records", lambda *_, **__: True)
    rows = [product(1), product(2)]
    errors = [DataError("out of range"), deadlock()]
    refuse_to_finalize(monkeypatch, errors)
    sync_records("default", [str(record_of(row).pk) for row in rows])
    assert errors == []
    for row in rows:
        record = record_of(row)
        assert (record.state, record.reason, record.lease) == (State.WAITING, "", None)
    worker.sweep(using="default")
    assert {record_of(row).state for row in rows} == {State.IN_SYNC}


@pytest.mark.usefixtures("impatient", "recorder")
@pytest.mark.parametrize(
    ("arguments", "owner", "name"),
    [
        (("visualsnoop_sync",), Lease, "_acquire"),
        (("visualsnoop_sync", "--retry-failed"), requests, "requeue_skipping_locked"),
        (("visualsnoop_sync", "--audit"), audit_module, "request_sync_skipping_locked"),
        (("visualsnoop_reindex",), reindex, "request_sync_skipping_locked"),
        (("visualsnoop_status",), status, "statuses"),
        (("visualsnoop_duplicates",), duplicates.Command, "find"),
    ],
)
def test_a_command_says_in_a_sentence_what_to_type(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], owner: Any, name: str
) -> None:
    product(1)
    if "--audit" in arguments:
        SyncRecord.objects.all().delete()
    errors = io.StringIO()
    with (
        refusing(monkeypatch, owner, name, times=99),
        pytest.raises(CommandError) as raised,
    ):
        call_command(*arguments, stdout=io.StringIO(), stderr=errors)
    words = str(raised.value)
    assert "database 'default'" in words
    assert arguments[0] in words
    assert "\n" not in words
    assert errors.getvalue() == ""
    assert raised.value.__suppress_context__
