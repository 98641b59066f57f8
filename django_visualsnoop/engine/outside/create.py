"""Create the indexes that a setting names. Nothing is imported that it does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.engine.outside.indexes import MEMORY, OutsideIndexes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_visualsnoop.engine.index.base import OutsideIndex

#: The indexes that ``create_index`` can create.
NAMES = ("pgvector", "milvus")

#: Threads share an index, and so its connections.
_created: dict[Any, OutsideIndex] = {}


def configure_indexes(
    setting: str, database: str, name: str, chosen: str, options: Mapping[str, Mapping[str, Any]]
) -> OutsideIndexes:
    """Return the indexes of a collection. This connects to no server.

    Args:
        setting: how to write the setting of ``options`` in Python, for error messages.
        database: alias in ``DATABASES``.
        name: name of the collection.
        chosen: the index to search: one of ``NAMES``, or ``MEMORY``.
        options: the options of indexes, by name; all are kept up to date.

    Raises:
        MissingExtra: a package is not installed.
        ImproperlyConfigured: an option of an index is unknown, missing or invalid.
    """
    given = {**({} if chosen == MEMORY else {chosen: {}}), **options}
    configured = {}
    for key, values in given.items():
        try:
            configured[key] = create_index(key, database, values)
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(f'{setting}["{key}"] is wrong: {error}') from None
    return OutsideIndexes(database, name, chosen, configured)


def create_index(name: str, database: str, options: Mapping[str, Any]) -> OutsideIndex:
    """Return an index, the same one for the same arguments. This connects to no server.

    Args:
        name: one of ``NAMES``.
        database: alias in ``DATABASES`` of the rows.
        options: the options of that index.

    Raises:
        MissingExtra: a package is not installed.
        TypeError, ValueError: an option is unknown, missing or invalid.
    """
    key = name, database, tuple(sorted(options.items()))
    if key not in _created:
        _created[key] = _create(name, database, options)
    return _created[key]


def _create(name: str, database: str, options: Mapping[str, Any]) -> OutsideIndex:
    if name == "pgvector":
        from django_visualsnoop.engine.index.pgvector import PgvectorIndex

        return PgvectorIndex(database, **options)
    from django_visualsnoop.engine.index.milvus import MilvusIndex  # requires its extra

    return MilvusIndex(**options)
