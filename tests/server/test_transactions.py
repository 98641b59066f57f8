"""How the server writes: what is rolled back, who waits, and what is gone meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError, connection, transaction

from django_visualsnoop.server import transactions
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import HostedCollection
from django_visualsnoop.server.transactions import (
    lock_collection,
    lock_for_deletion,
    without_waiting,
    write_atomically,
)

if TYPE_CHECKING:
    from tests.server.hosting import Tenant

pytestmark = pytest.mark.django_db(transaction=True)

#: As a lock of MariaDB is told; SQLite's and PostgreSQL's carry their cause.
LOCK = (1213, "Deadlock found")


def rename(whose: Tenant, name: str) -> None:
    HostedCollection.objects.filter(pk=whose.collection_id).update(name=name)


def test_what_fails_is_rolled_back(ann: Tenant) -> None:
    def work() -> None:
        rename(ann, "half done")
        raise Refused(400, "no")

    with pytest.raises(Refused):
        write_atomically(work)
    assert ann.collection.name == "Tests"


def test_within_the_callers_transaction_only_its_own_part_is_undone(ann: Tenant) -> None:
    def work() -> None:
        rename(ann, "half done")
        raise Refused(400, "no")

    with transaction.atomic():
        rename(ann, "kept")
        with pytest.raises(Refused):
            write_atomically(work)
    assert ann.collection.name == "kept"


def test_after_a_lock_it_is_done_again_as_long_as_patience_lasts(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def work() -> str:
        calls.append(ann.collection.name)
        rename(ann, "half done")
        if len(calls) < 3:
            raise OperationalError(*LOCK)
        return "done"

    assert write_atomically(work) == "done"
    assert calls == ["Tests"] * 3
    calls.clear()
    monkeypatch.setattr(transactions, "PATIENCE", 0)
    with pytest.raises(OperationalError):
        write_atomically(work)
    assert len(calls) == 1


@pytest.mark.parametrize("alone", [False, True])
def test_a_collection_that_is_gone_cannot_be_locked(ann: Tenant, alone: bool) -> None:
    with transaction.atomic():
        lock_collection(ann.collection_id, alone=alone)
    with transaction.atomic(), pytest.raises(Refused, match="has been deleted") as caught:
        lock_collection("00000000", alone=alone)
    assert caught.value.status == 404


def test_deleting_waits_for_what_is_there(ann: Tenant) -> None:
    with transaction.atomic():
        assert lock_for_deletion(ann.collection_id)
        assert not lock_for_deletion("00000000")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the others lock rows")
@pytest.mark.parametrize("fails", [False, True])
def test_sqlite_waits_again_after_what_did_not_wait(fails: bool) -> None:
    def get_timeout() -> int:
        found: tuple[int] = connection.connection.execute("PRAGMA busy_timeout").fetchone()
        return found[0]

    connection.ensure_connection()
    before = get_timeout()
    try:
        with without_waiting("default"):
            assert get_timeout() == 0
            if fails:
                raise ValueError("not written")
    except ValueError:
        pass
    assert get_timeout() == before > 0
