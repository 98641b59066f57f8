"""Command arguments that select databases, models, fields, and the row to resume after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from django_visualsnoop.indexed.keys import read_key
from django_visualsnoop.indexed.options import all_indexed_fields, indexed_fields, is_indexed
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable

    from django.db.models import Model

    from django_visualsnoop.indexed.options import IndexedField


def add_database_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        default=DEFAULT_DB_ALIAS,
        choices=tuple(connections),
        help='Alias of the database that stores the rows and their records. Defaults to "default".',
    )


def positive(text: str) -> int:
    """Parse an integer that must be at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def check_tables(using: str, model: type[Model] = SyncRecord) -> None:
    """Raise ``CommandError`` if the table of the sync records, or of another model, is missing."""
    if model._meta.db_table not in connections[using].introspection.table_names():
        raise CommandError(
            f"The database {using!r} has no table {model._meta.db_table}. "
            f"Type: python manage.py migrate visualsnoop --database {using}"
        )


def check_model_tables(fields: Iterable[IndexedField], using: str) -> None:
    """Raise ``CommandError`` if the table of a model does not exist."""
    with connections[using].cursor() as cursor:
        tables = connections[using].introspection.get_table_list(cursor)
    known = {table.name for table in tables}
    for field in fields:
        options = field.owner._meta
        if options.db_table not in known:
            raise CommandError(
                f"The database {using!r} has no table {options.db_table}, which {options.label} "
                f"needs. Type: python manage.py makemigrations {options.app_label}, then: "
                f"python manage.py migrate --database {using}"
            )


def select_fields(
    names: Iterable[str], *, collection: str | None, field: str | None
) -> list[IndexedField]:
    """Return the fields that the arguments select, in a stable order.

    Args:
        names: ``app.Model`` or ``app``; all models if empty.
        collection: only fields of this collection.
        field: only fields of this name.

    Raises:
        CommandError: the arguments select no indexed field.
    """
    named = [one for name in names for one in _named(name)] if names else all_indexed_fields()
    chosen = {
        str(one): one
        for one in named
        if collection in (None, one.collection) and field in (None, one.name)
    }
    if not chosen and (names or field is not None or collection is None):
        raise CommandError(f"No indexed field matches these arguments. {_known()}")
    return [chosen[key] for key in sorted(chosen)]


def _named(name: str) -> list[IndexedField]:
    app_label, _, model_name = name.partition(".")
    try:
        models = (
            [apps.get_model(app_label, model_name)]
            if model_name
            else list(apps.get_app_config(app_label).get_models())
        )
    except LookupError as error:
        raise CommandError(f"{error} {_known()}") from error
    found = [field for model in models if is_indexed(model) for field in indexed_fields(model)]
    if not found:
        raise CommandError(f"{name} has no indexed field. {_known()}")
    return found


def _known() -> str:
    fields = sorted(f"{field} (collection {field.collection!r})" for field in all_indexed_fields())
    return f"Indexed fields: {', '.join(fields) or 'none'}."


@dataclass(frozen=True)
class Start:
    """Where to start: the field, and the key of its last processed row."""

    field: IndexedField
    key: Any


def parse_start(text: str, fields: list[IndexedField]) -> Start:
    """Parse ``--resume-from``: a key if there is one field, else ``app.model.field:key``.

    Raises:
        CommandError: the text names none of these fields, or its key is not valid.
    """
    for field in fields:
        if text.startswith(_prefix(field)):
            return Start(field, _key(field, text.removeprefix(_prefix(field))))
    if len(fields) == 1:
        return Start(fields[0], _key(fields[0], text))
    examples = ", ".join(f"{_prefix(field)}KEY" for field in fields)
    raise CommandError(
        f"--resume-from {text!r} must name its field, because {len(fields)} fields are selected. "
        f"Use one of: {examples}"
    )


def write_start(field: IndexedField, key: Any, fields: list[IndexedField]) -> str:
    """Return the text that ``parse_start()`` parses."""
    text = field.key_text(key)
    return text if len(fields) == 1 else f"{_prefix(field)}{text}"


def _prefix(field: IndexedField) -> str:
    return f"{field.label}.{field.name}:"


def _key(field: IndexedField, text: str) -> Any:
    try:
        return read_key(field.key, text, DEFAULT_DB_ALIAS)
    except ValidationError as error:
        raise CommandError(
            f"--resume-from: {text!r} is not a valid key of {field.owner._meta.label}, whose "
            f"primary key is of type {type(field.key).__name__}."
        ) from error
