"""A followed model behaves like a plain one.

Every method of ``Model`` and ``QuerySet`` is called, in situations of use and misuse, on two
models that differ in nothing but the mixin. What is returned, raised, written and signalled must
be the same, and whether the transaction is usable afterwards.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, connections, models

from django_visualsnoop.models import VisualSnoopMixin
from django_visualsnoop.querysets import VisualSnoopQuerySet
from tests.twins.comparing import AROUND, SIGNALS, observe
from tests.twins.situations import CALLED, SITUATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(databases=["default", "other"], transaction=True),
    pytest.mark.usefixtures("recorder"),
]
#: Errors in these take part in a transaction or do not; each way of changing rows meets them once.
WRITING = ("save_a_new_row", "replace_a_picture", "save_a_child", "create", "delete_a_row",
           "delete_all", "delete_a_child", "get_or_create", "add_through_a_relation",
           "load_a_fixture")  # fmt: skip


@pytest.mark.parametrize("around", AROUND)
def test_they_behave_alike(around: str) -> None:
    differences = {
        name: found
        for name, situation in SITUATIONS.items()
        if (found := list(_differences(situation, around)))
    }
    assert not differences


@pytest.mark.parametrize("failing", SIGNALS)
def test_they_behave_alike_when_a_handler_fails(failing: str) -> None:
    differences = {
        (name, around): found
        for name in WRITING
        for around in ("autocommit", "atomic")
        if (found := list(_differences(SITUATIONS[name], around, failing)))
    }
    assert not differences


@pytest.mark.skipif(connection.vendor != "sqlite", reason="is about SQLite's locks")
def test_sqlite_refuses_nothing_that_it_grants_a_plain_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As startproject leaves it, a transaction that has read may not write after somebody else."""
    connection.ensure_connection()  # which takes the mode from the settings
    monkeypatch.setattr(connections["default"], "transaction_mode", None)
    refused = {
        name
        for name, situation in SITUATIONS.items()
        if _is_refused("followed", situation) and not _is_refused("plain", situation)
    }
    assert refused == set()


def _is_refused(which: str, situation: Any) -> bool:
    with closing(_Meanwhile(connection.settings_dict["NAME"])) as meanwhile:
        seen = observe(which, partial(_with_wrapper, meanwhile, situation), "autocommit")
    return "database is locked" in str(seen.get("raised"))


def _with_wrapper(wrapper: Any, situation: Any, side: Any) -> Any:
    with connection.execute_wrapper(wrapper):
        try:
            return situation(side)
        finally:
            wrapper.close()


class _Meanwhile:
    """Another connection writes right after the first SELECT inside a transaction."""

    def __init__(self, path: str) -> None:
        self._other = sqlite3.connect(path, timeout=0, isolation_level=None)
        self._done = False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if not self._done and sql.startswith("SELECT") and connection.in_atomic_block:
            self._done = True
            with suppress(sqlite3.OperationalError):  # not even asked to wait for readers
                self._other.execute("BEGIN IMMEDIATE")
                self._other.execute("UPDATE twins_box SET name = 'elsewhere' WHERE id = 4711")
                self._other.execute("COMMIT")
        return answer

    def close(self) -> None:
        self._done = True
        self._other.close()


def test_no_method_is_left_out() -> None:
    public = {
        f"{kind.__name__}.{name}"
        for kind in (models.Model, models.QuerySet)
        for name in dir(kind)
        if not name.startswith("_")
    }
    own = {f"Model.{name}" for name in vars(VisualSnoopMixin)}
    own |= {f"QuerySet.{name}" for name in vars(VisualSnoopQuerySet)}
    assert public - CALLED == set()
    assert own & public <= CALLED


def _differences(situation: Any, around: str, failing: str = "") -> Iterator[Any]:
    plain = observe("plain", situation, around, failing)
    followed = observe("followed", situation, around, failing)
    for key in sorted(plain.keys() | followed.keys()):
        if plain.get(key) != followed.get(key):
            yield key, {"plain": plain.get(key), "followed": followed.get(key)}
