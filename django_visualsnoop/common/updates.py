"""Update many rows of one table, each with its own values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.db import connections, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import Field, Model


def update_each(
    model: type[Model],
    names: Sequence[str],
    where: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    using: str,
) -> int:
    """Execute an UPDATE for each row, in one transaction; return how many rows it found.

    ``bulk_update()`` compiles an expression for each value, which takes milliseconds for each row.

    Args:
        model: the model.
        names: the fields to write.
        where: the fields that identify a row. Their values must not be ``None``.
        rows: the values of ``names`` and then of ``where``, for each row.
        using: alias of the database.
    """
    connection = connections[using]
    quote, meta = connection.ops.quote_name, model._meta
    fields = [cast("Field[Any, Any]", meta.get_field(name)) for name in (*names, *where)]
    columns = [quote(str(field.column)) for field in fields]
    changes = ", ".join(f"{column} = %s" for column in columns[: len(names)])
    condition = " AND ".join(f"{column} = %s" for column in columns[len(names) :])
    sql = f"UPDATE {quote(meta.db_table)} SET {changes} WHERE {condition}"  # noqa: S608 -- names
    parameters = [
        [
            field.get_db_prep_save(value, connection)
            for field, value in zip(fields, row, strict=True)
        ]
        for row in rows
    ]
    with transaction.atomic(using=using, savepoint=False), connection.cursor() as cursor:
        cursor.executemany(sql, parameters)
        return int(cursor.rowcount)
