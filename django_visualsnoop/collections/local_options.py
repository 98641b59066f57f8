"""The options of a collection of the embedded engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_visualsnoop.collections.embedding import is_embedding_model
from django_visualsnoop.common.options import (
    BOOLEAN,
    FOLDER,
    INDEX,
    INDEXES,
    MILVUS,
    PGVECTOR,
    POSITIVE_INTEGER,
    SHARE,
    Option,
    check_options,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_visualsnoop.engine.outside.indexes import OutsideIndexes

#: The setting of an alias.
_PARAMS = {
    "NAME": Option("a name", lambda value: value is None or isinstance(value, str)),
    "OPTIONS": Option("a dict", lambda value: value is None or isinstance(value, dict)),
}
_OPTIONS = {
    "cache": FOLDER,
    "capture_times": BOOLEAN,
    "database": Option("an alias of DATABASES", lambda value: isinstance(value, str)),
    "early": BOOLEAN,
    "index": INDEX,
    "embedding": Option(
        "an embedding model, the dotted path of one, or None",
        lambda value: value is None or isinstance(value, str) or is_embedding_model(value),
    ),
    "max_bytes": POSITIVE_INTEGER,
    "max_pixels": POSITIVE_INTEGER,
    "memory": POSITIVE_INTEGER,
    "milvus": MILVUS,
    "min_similarity": SHARE,
    "pgvector": PGVECTOR,
}


def read_options(alias: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the options.

    Raises:
        ImproperlyConfigured: the setting of the alias is invalid.
    """
    setting = f'VISUALSNOOP["{alias}"]'
    check_options(setting, params, _PARAMS)
    options = dict(params.get("OPTIONS") or {})
    check_options(f'{setting}["OPTIONS"]', options, _OPTIONS)
    return options


def create_indexes(alias: str, database: str, name: str, options: dict[str, Any]) -> OutsideIndexes:
    """Return the indexes that options name, and remove these options."""
    from django_visualsnoop.engine.outside import create  # requires the extra

    chosen = options.pop("index", INDEXES[0])
    given = {key: options.pop(key) for key in create.NAMES if key in options}
    setting = f'VISUALSNOOP["{alias}"]["OPTIONS"]'
    return create.configure_indexes(setting, database, name, chosen, given)
