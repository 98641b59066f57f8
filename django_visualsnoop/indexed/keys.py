"""Normalize primary keys to the values that their rows have.

``Article(id="6F0A…")`` and ``Price(code="1.5")`` are saved as the UUID and as ``1.50``. An image id
contains the row's value, so keys are normalized before anything is written.
"""

from __future__ import annotations

import datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections, models
from django.utils import timezone

#: Field class → type of a key that is already normalized. Exact classes, because a subclass may
#: convert values.
_EXACT: dict[type[models.Field[Any, Any]], type] = {
    **dict.fromkeys(
        (
            models.AutoField,
            models.BigAutoField,
            models.SmallAutoField,
            models.IntegerField,
            models.BigIntegerField,
            models.PositiveIntegerField,
            models.PositiveBigIntegerField,
        ),
        int,
    ),
    models.UUIDField: UUID,
    models.CharField: str,
    models.SlugField: str,
    models.TextField: str,
}


def stored_key(field: models.Field[Any, Any], key: object, database: str) -> Any:
    """Return a primary key as the row has it.

    Args:
        field: the primary key; a foreign key is resolved to its target.
        key: any value that the field accepts, including text.
        database: alias of the database that stores the row.

    Raises:
        ValidationError: the field does not accept the key.
    """
    if _EXACT.get(type(field)) is type(key):
        return key
    field = _target(field)
    if _EXACT.get(type(field)) is type(key):
        return key
    try:
        value = field.to_python(key)
        if isinstance(field, models.DecimalField) and isinstance(value, Decimal):
            return _rounded(field, value, database)
        if isinstance(value, datetime.datetime):
            return _utc(value)
    except ArithmeticError as error:
        raise ValidationError(f"{key!r} is not a valid key for {field}.") from error
    return value if type(field) in _EXACT else _round_trip(field, value, database)


def read_key(field: models.Field[Any, Any], text: str, database: str) -> Any:
    """Parse an untrusted text as a primary key.

    Args:
        field: the primary key.
        text: any text.
        database: alias of the database that will be queried for the key.

    Raises:
        ValidationError: no row can have such a key, and querying it may be a database error.
    """
    key = stored_key(field, text, database)
    if isinstance(key, int) and not -(2**63) <= key < 2**63:
        raise ValidationError(f"The key {text[:50]}… is longer than 64 bits.")
    if isinstance(key, str) and not _can_be_sent(key, database):
        raise ValidationError(f"The database cannot store the key {key[:50]!r}.")
    return key


def _can_be_sent(text: str, database: str) -> bool:
    try:
        text.encode()  # fails for a lone surrogate
    except UnicodeEncodeError:
        return False
    return "\0" not in text or connections[database].vendor != "postgresql"


def matches_other_spellings(field: models.Field[Any, Any], database: str) -> bool:
    """Whether the database may treat two spellings of a key as equal, such as by case."""
    field = _target(field)
    if not isinstance(field, (models.CharField, models.TextField)):
        return False
    return connections[database].vendor == "mysql" or bool(field.db_collation)


def _target(field: Any) -> models.Field[Any, Any]:
    while field.remote_field is not None:
        field = field.target_field
    return field  # type: ignore[no-any-return]


def _utc(value: datetime.datetime) -> datetime.datetime:
    """Return a datetime in UTC, so that its text is the same in every process and database."""
    if not settings.USE_TZ:
        return value
    aware = timezone.make_aware(value) if timezone.is_naive(value) else value
    return aware.astimezone(datetime.UTC)


def _rounded(field: models.DecimalField[Any, Any], value: Decimal, database: str) -> Decimal:
    """Return a number with the decimal places of its column."""
    # On SQLite, Django rounds when it reads; other databases round when they store.
    by_django = connections[database].vendor == "sqlite"
    return value.quantize(
        Decimal(1).scaleb(-(field.decimal_places or 0)),
        rounding=ROUND_HALF_EVEN if by_django else ROUND_HALF_UP,
        context=field.context,
    )


def _round_trip(field: models.Field[Any, Any], value: object, database: str) -> Any:
    """Return a value as the field returns it after writing and reading it."""
    try:
        prepared = field.get_prep_value(value)
        read = getattr(field, "from_db_value", None)
        if read is not None:
            return read(prepared, None, connections[database])
        return field.to_python(prepared)
    except Exception:  # noqa: BLE001 -- a custom field may expect what its database driver returns
        return value
