"""Row locks that last until the transaction ends. Imports only Django.

Both functions wait for other transactions that hold the locks. ``outbox.locking`` skips instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import F

if TYPE_CHECKING:
    from django.db.models import QuerySet


def lock_rows(rows: QuerySet[Any], column: str = "pk") -> list[Any]:
    """Lock the rows of a query as others have committed them by now; return one of their columns.

    SQLite has one writer at a time and locks no rows: there, this only reads. Begin the
    transaction with a write; see ``transactions``.

    Args:
        rows: a query that the database can lock: no DISTINCT, GROUP BY or window.
        column: name of the field to return.
    """
    return list(rows.select_for_update().values_list(column, flat=True))


def lock_rows_by_update(rows: QuerySet[Any], column: str) -> int:
    """Lock the rows of a query by an UPDATE that changes nothing; return how many there are.

    On SQLite, this is the write that a transaction has to begin with.

    Args:
        rows: a query that the database can update.
        column: name of any field in the model's own table, but a key.
    """
    return rows.update(**{column: F(column)})
