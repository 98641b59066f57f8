"""Primary keys as their rows have them, however the project's code spells them.

``Article(id="6F0A…")`` and ``Price(code="1.5")`` are saved as the UUID and as ``1.50``. The id of
an image is made of what the row has, so the spelling is put right before anything is written.
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

#: Classes of fields → the type of a key that needs nothing put right. Exact classes, since a
#: field of the project's own may do more.
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
        field: the primary key; of a foreign key, what it points at counts.
        key: any spelling that the field takes, text included.
        database: alias of the database that holds the row.

    Raises:
        ValidationError: the field takes no such key.
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
        raise ValidationError(f"{field} takes no key {key!r}.") from error
    return value if type(field) in _EXACT else _round_trip(field, value, database)


def read_key(field: models.Field[Any, Any], text: str, database: str) -> Any:
    """Return the primary key that a text of unknown origin stands for.

    Args:
        field: the primary key.
        text: anything.
        database: alias of the database that is to be asked for it.

    Raises:
        ValidationError: no row can have such a key, and a database may refuse to be asked for it.
    """
    key = stored_key(field, text, database)
    if isinstance(key, int) and not -(2**63) <= key < 2**63:
        raise ValidationError(f"No column holds {text[:50]}…, which is longer than 64 bits.")
    if isinstance(key, str) and not _can_be_sent(key, database):
        raise ValidationError(f"No column holds the text {key[:50]!r}.")
    return key


def _can_be_sent(text: str, database: str) -> bool:
    try:
        text.encode()  # a lone surrogate is no character
    except UnicodeEncodeError:
        return False
    return "\0" not in text or connections[database].vendor != "postgresql"


def matches_other_spellings(field: models.Field[Any, Any], database: str) -> bool:
    """Whether the database may hold two spellings of a text, such as by case, for the same key."""
    field = _target(field)
    if not isinstance(field, (models.CharField, models.TextField)):
        return False
    return connections[database].vendor == "mysql" or bool(field.db_collation)


def _target(field: Any) -> models.Field[Any, Any]:
    while field.remote_field is not None:
        field = field.target_field
    return field  # type: ignore[no-any-return]


def _utc(value: datetime.datetime) -> datetime.datetime:
    """Return a time as every process and database tells it, whatever zone it was given in."""
    if not settings.USE_TZ:
        return value
    aware = timezone.make_aware(value) if timezone.is_naive(value) else value
    return aware.astimezone(datetime.UTC)


def _rounded(field: models.DecimalField[Any, Any], value: Decimal, database: str) -> Decimal:
    """Return a number with as many places as its column keeps."""
    # On SQLite Django rounds what it reads; other databases round what they store.
    by_django = connections[database].vendor == "sqlite"
    return value.quantize(
        Decimal(1).scaleb(-(field.decimal_places or 0)),
        rounding=ROUND_HALF_EVEN if by_django else ROUND_HALF_UP,
        context=field.context,
    )


def _round_trip(field: models.Field[Any, Any], value: object, database: str) -> Any:
    """Return what a field makes of a value that was written and read again."""
    try:
        prepared = field.get_prep_value(value)
        read = getattr(field, "from_db_value", None)
        if read is not None:
            return read(prepared, None, connections[database])
        return field.to_python(prepared)
    except Exception:  # noqa: BLE001 -- the project's own field, which expects what its driver gives
        return value
