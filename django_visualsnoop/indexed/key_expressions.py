"""Compare keys that are stored as text with the primary keys of rows, inside the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, models
from django.db.models.functions import Cast, Replace

if TYPE_CHECKING:
    from django.db.models import Expression, QuerySet

_NUMBERS = (models.IntegerField, models.AutoField)
_TEXTS = (models.CharField, models.TextField)


def match_keys(texts: QuerySet[Any], name: str, rows: QuerySet[Any], parse: Any) -> QuerySet[Any]:
    """Return those objects of a QuerySet whose text is the key of a row.

    Args:
        texts: the objects.
        name: the name of their column with the keys, as ``IndexedField.key_text`` returns them.
        rows: the rows, in the same database.
        parse: returns the key for a text, or ``None``; see ``IndexedField.key_of``.
    """
    converted = _convert(rows.model._meta.pk, name, rows.db)
    wanted = rows.order_by().values("pk")
    if converted is not None:
        by_key: QuerySet[Any] = texts.alias(_key=converted).filter(_key__in=wanted)
        return by_key
    # Decimals and times: each database has a text of its own for them.
    keys = {text: parse(text) for text in texts.values_list(name, flat=True)}
    found = set(rows.filter(pk__in=set(keys.values())).values_list("pk", flat=True))
    selected: QuerySet[Any] = texts.filter(
        **{f"{name}__in": [text for text, key in keys.items() if key in found]}
    )
    return selected


def filter_by_keys(
    rows: QuerySet[Any], texts: QuerySet[Any], name: str, parse: Any
) -> QuerySet[Any]:
    """Return the rows whose key is the text of one of some objects; see ``match_keys``."""
    converted = _convert(rows.model._meta.pk, name, rows.db)
    if converted is not None:
        return rows.filter(pk__in=texts.order_by().values_list(converted))
    keys = {parse(text) for text in texts.values_list(name, flat=True)}
    return rows.filter(pk__in=keys - {None})


def _convert(key: Any, name: str, using: str) -> Expression | models.F | None:
    """Return the SQL expression for a key; ``None`` if it has to be parsed in Python."""
    while key.remote_field is not None:
        key = key.target_field
    if isinstance(key, models.UUIDField):
        if connections[using].features.has_native_uuid_field:
            return Cast(name, models.UUIDField())
        return Replace(name, models.Value("-"), models.Value(""), output_field=models.TextField())
    if isinstance(key, _NUMBERS):
        return Cast(name, models.BigIntegerField())
    return models.F(name) if isinstance(key, _TEXTS) else None
