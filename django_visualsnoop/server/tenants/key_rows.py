"""Read a key with its collection: the first query of every request to an API.

This uses raw SQL: the statement is always the same, and building it with Django takes longer than
the rest of the authentication.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections

from django_visualsnoop.server.models import HostedCollection, Key, database

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Field
    from django.db.models.expressions import Col


class _Statement(NamedTuple):
    sql: str
    #: The columns that the database returns in another form, by their place in the row.
    converters: dict[int, tuple[Col, list[Callable[..., Any]]]]


_KEY: tuple[Field[Any, Any], ...] = tuple(Key._meta.concrete_fields)
_COLLECTION: tuple[Field[Any, Any], ...] = tuple(HostedCollection._meta.concrete_fields)
_KEY_NAMES = [field.attname for field in _KEY]
_COLLECTION_NAMES = [field.attname for field in _COLLECTION]


def find_key(public_key: str) -> Key | None:
    """Return a key with its collection; ``None`` if there is none. This executes one query."""
    using = database()
    connection = connections[using]
    sql, converters = _build_statement(using)
    with connection.cursor() as cursor:
        cursor.execute(sql, [public_key])
        row = cursor.fetchone()
    if row is None:
        return None
    values = list(row)
    for place, (column, convert) in converters.items():
        for one in convert:
            values[place] = one(values[place], column, connection)
    key: Key = Key.from_db(using, _KEY_NAMES, values[: len(_KEY)])
    collection = HostedCollection.from_db(using, _COLLECTION_NAMES, values[len(_KEY) :])
    Key._meta.get_field("collection").set_cached_value(key, collection)
    return key


@lru_cache(maxsize=8)
def _build_statement(using: str) -> _Statement:
    connection = connections[using]
    quote = connection.ops.quote_name
    columns = [field.get_col(field.model._meta.db_table) for field in (*_KEY, *_COLLECTION)]
    keys, collections = quote(Key._meta.db_table), quote(HostedCollection._meta.db_table)
    selected = ", ".join(
        f"{quote(field.model._meta.db_table)}.{quote(str(field.column))}"
        for field in (*_KEY, *_COLLECTION)
    )
    sql = (
        f"SELECT {selected} FROM {keys} JOIN {collections} "  # noqa: S608 -- only names
        f"ON {collections}.{quote('id')} = {keys}.{quote('collection_id')} "
        f"WHERE {keys}.{quote('public_key')} = %s"
    )
    converters = {
        place: (column, found)
        for place, column in enumerate(columns)
        if (
            found := [
                *connection.ops.get_db_converters(column),
                *column.get_db_converters(connection),
            ]
        )
    }
    return _Statement(sql, converters)
