"""Locks of rows: what they return, and that others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from django_visualsnoop.common.row_locks import lock_rows, lock_rows_by_update
from tests.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


def free_rows() -> list[str]:
    """Return the names of the users that nobody has locked."""
    with transaction.atomic():
        rows = User.objects.select_for_update(skip_locked=True)
        return sorted(rows.values_list("username", flat=True))


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        (lambda rows: lock_rows(rows, "username"), ["ann"]),
        (lambda rows: lock_rows_by_update(rows, "first_name"), 1),
    ],
)
def test_the_rows_are_locked_until_the_transaction_ends(
    lock: Callable[..., object], expected: object
) -> None:
    for name in ("ann", "bob"):
        User.objects.create(username=name, first_name="A")
    with transaction.atomic():
        assert lock(User.objects.filter(username="ann")) == expected
        if connection.features.has_select_for_update_skip_locked:
            assert in_thread(free_rows) == ["bob"]
    if connection.features.has_select_for_update_skip_locked:
        assert in_thread(free_rows) == ["ann", "bob"]
    assert User.objects.get(username="ann").first_name == "A"


def test_no_rows() -> None:
    with transaction.atomic():
        assert lock_rows(User.objects.none()) == []
        assert lock_rows(User.objects.all()) == []
        assert lock_rows_by_update(User.objects.all(), "first_name") == 0
