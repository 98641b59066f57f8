"""Create the indexes that a setting names. Nothing is imported that it does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_visualsnoop.engine.index.base import OutsideIndex

#: The indexes that ``create_index`` can create.
NAMES = ("pgvector", "milvus")

#: Threads share an index, and so its connections.
_created: dict[Any, OutsideIndex] = {}


def create_index(name: str, database: str, options: Mapping[str, Any]) -> OutsideIndex:
    """Return an index, the same one for the same arguments. This connects to no server.

    Args:
        name: one of ``NAMES``.
        database: alias in ``DATABASES`` of the rows.
        options: the options of that index.

    Raises:
        MissingExtra: a package is not installed.
        TypeError: an option is unknown or missing.
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
