"""What is a lock, when it is tried again, and which transactions are opened."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.common.transactions import (
    atomic_unless_open,
    atomic_write,
    begin_writing,
    is_lock_error,
    retry_when_locked,
    write_when_free,
)

if TYPE_CHECKING:
    from collections.abc import Callable

User = get_user_model()


def caused_by(error: Exception, *arguments: object) -> OperationalError:
    found = OperationalError(*arguments)
    found.__cause__ = error
    return found


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("words")
    error.sqlite_errorcode = code
    return error


class PostgresError(Exception):
    """As psycopg raises it."""

    def __init__(self, sqlstate: str | None) -> None:
        self.sqlstate = sqlstate


class OlderPostgresError(Exception):
    """As psycopg2 raises it."""

    pgcode = "40P01"


LOCK = caused_by(sqlite_error(sqlite3.SQLITE_BUSY))


@pytest.mark.parametrize(
    ("error", "locked"),
    [
        (LOCK, True),
        (caused_by(sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT)), True),
        (caused_by(sqlite_error(sqlite3.SQLITE_LOCKED)), True),
        (caused_by(sqlite_error(sqlite3.SQLITE_CANTOPEN)), False),
        (caused_by(PostgresError("40001")), True),
        (caused_by(PostgresError("55P03")), True),
        (caused_by(PostgresError("08006")), False),
        (caused_by(PostgresError(None)), False),
        (caused_by(OlderPostgresError()), True),
        (caused_by(Exception(), 1205, "Lock wait timeout exceeded"), True),
        (caused_by(Exception(), 1213, "Deadlock found"), True),
        (caused_by(Exception(), 2006, "Server has gone away"), False),
        (OperationalError(), False),
        (IntegrityError(1213), False),
        (ValueError("database is locked"), False),
    ],
    ids=str,
)
def test_locks_are_told_from_other_errors(error: Exception, locked: bool) -> None:
    assert is_lock_error(error) is locked


def failing(*errors: Exception) -> tuple[Callable[[], str], list[Exception]]:
    """Return what raises each error, then returns; and what was raised so far."""
    left, raised = list(errors), list[Exception]()

    def work() -> str:
        if left:
            raised.append(left.pop(0))
            raise raised[-1]
        return "done"

    return work, raised


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let time pass at once; the seconds slept."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    return slept


@pytest.mark.django_db(transaction=True)
class TestRetry:
    def test_after_a_lock_it_is_tried_again(self, slept: list[float]) -> None:
        work, raised = failing(LOCK, LOCK)
        assert retry_when_locked(work, using="default") == "done"
        assert len(raised) == len(slept) == 2

    def test_the_waits_grow_up_to_two_seconds(self, slept: list[float]) -> None:
        work, _ = failing(*[LOCK] * 12)
        retry_when_locked(work, using="default")
        assert 0.025 <= slept[0] <= 0.05
        assert slept[3] > slept[0]
        assert all(1 <= wait <= 2 for wait in slept[6:])

    def test_patience_ends(self, slept: list[float]) -> None:
        work, raised = failing(*[LOCK] * 1000)
        with pytest.raises(OperationalError):
            retry_when_locked(work, using="default", patience=10)
        assert 7 < sum(slept) <= 10
        assert len(raised) > 5

    def test_another_error_is_raised_at_once(self, slept: list[float]) -> None:
        for error in (OperationalError("gone"), IntegrityError("twice"), ValueError("no")):
            work, _ = failing(error)
            with pytest.raises(type(error)):
                retry_when_locked(work, using="default")
        assert slept == []

    def test_inside_a_transaction_it_is_called_once(self, slept: list[float]) -> None:
        work, raised = failing(LOCK)
        with pytest.raises(OperationalError), transaction.atomic():
            retry_when_locked(work, using="default")
        assert len(raised) == 1
        assert slept == []

    def test_what_is_tried_again_was_rolled_back(self, slept: list[float]) -> None:
        work, _ = failing(LOCK)

        def write() -> str:
            User.objects.create(username="ann")
            return work()

        assert write_when_free(write, User, using="default") == "done"
        assert User.objects.count() == 1


def statements(captured: CaptureQueriesContext) -> list[str]:
    return [query["sql"].split()[0] for query in captured.captured_queries]


@pytest.mark.django_db(transaction=True)
class TestTransaction:
    def test_one_is_opened_if_none_is(self) -> None:
        with suppress(ValueError), atomic_unless_open(using="default"):
            assert connection.in_atomic_block
            User.objects.create(username="ann")
            raise ValueError("undone")
        assert not connection.in_atomic_block
        assert not User.objects.exists()

    def test_the_callers_gets_no_savepoint_and_is_not_broken(self) -> None:
        with transaction.atomic():
            with CaptureQueriesContext(connection) as captured:
                for error in (None, ValueError("caught")):
                    try:
                        with atomic_unless_open(using="default"):
                            if error:
                                raise error
                    except ValueError:
                        pass
            User.objects.create(username="ann")
        assert statements(captured) == []
        assert User.objects.exists()

    def test_one_that_is_managed_by_hand_is_joined(self) -> None:
        transaction.set_autocommit(False)
        try:
            with CaptureQueriesContext(connection) as captured:
                for error in (None, ValueError("caught")):
                    try:
                        with atomic_unless_open(using="default"):
                            assert connection.in_atomic_block
                            if error:
                                raise error
                    except ValueError:
                        pass
                User.objects.create(username="ann")
            assert not [sql for sql in statements(captured) if "SAVEPOINT" in sql]
            transaction.rollback()
        finally:
            transaction.set_autocommit(True)
        assert not User.objects.exists()

    def test_on_sqlite_a_write_comes_before_what_is_read(self) -> None:
        with CaptureQueriesContext(connection) as captured, atomic_write(User, using="default"):
            assert not User.objects.exists()
        found = [sql for sql in statements(captured) if sql in ("UPDATE", "SELECT")]
        assert found == (["UPDATE", "SELECT"] if connection.vendor == "sqlite" else ["SELECT"])

    def test_beginning_to_write_changes_no_row(self) -> None:
        User.objects.create(username="ann")
        before = User.objects.values().get()
        with transaction.atomic():
            begin_writing(User, using="default")
        assert User.objects.values().get() == before
