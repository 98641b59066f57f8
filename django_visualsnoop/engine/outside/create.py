"""Create the indexes that a setting names. Nothing is imported that it does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_visualsnoop.engine.index.base import OutsideIndex

#: Names → dotted paths.
_CLASSES = {
    "pgvector": "django_visualsnoop.engine.index.pgvector.PgvectorIndex",
    "milvus": "django_visualsnoop.engine.index.milvus.MilvusIndex",
}
#: The indexes that ``create_index`` can create.
NAMES = tuple(_CLASSES)

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
        create = import_string(_CLASSES[name])
        _created[key] = create(database, **options) if name == "pgvector" else create(**options)
    return _created[key]
