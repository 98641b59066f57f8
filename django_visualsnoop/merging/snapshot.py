"""What a merge has changed, as JSON text: rows that are gone, and columns with other values."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models

from django_visualsnoop.merging.relations import every_row, with_parents
from django_visualsnoop.merging.values import Values, columns_of, dump_key, dump_row, load_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_visualsnoop.merging.cascade import Cascade


@dataclass(frozen=True)
class Change:
    """A column of some rows of one model, and its value before and after. All are JSON values."""

    model: str
    attname: str
    old: Any
    new: Any
    keys: list[Any]


@dataclass
class Snapshot:
    """All that a merge has changed."""

    #: The gone rows of each table, by label of its model; referred-to tables of a row come first.
    rows: dict[str, list[Values]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    #: Filled fields of the kept row; an undo saves the row.
    filled: list[Change] = field(default_factory=list)

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Snapshot:
        content = json.loads(text)
        return cls(
            content["rows"],
            [Change(**one) for one in content["changes"]],
            [Change(**one) for one in content["filled"]],
        )

    def add_gone(self, model: type[models.Model], rows: Iterable[models.Model]) -> None:
        """Add rows of one concrete model that are deleted."""
        for row in rows:
            for table in with_parents(model):
                self.rows.setdefault(table._meta.label_lower, []).append(dump_row(row, table))

    def add_differences(self, before: Before) -> None:
        """Add how the rows differ now from what they were."""
        groups: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
        for model, rows in before.rows.items():
            label = model._meta.label_lower
            found = every_row(model, before.using).in_bulk(list(rows))
            for key, values in rows.items():
                if key not in found:
                    self.rows.setdefault(label, []).append(values)
                    continue
                now = dump_row(found[key], model)
                for name in values:
                    if now[name] != values[name]:
                        pair = json.dumps([values[name], now[name]])
                        groups[label, name, pair].append(dump_key(model, key))
        for (label, name, pair), keys in groups.items():
            old, new = json.loads(pair)
            self.changes.append(Change(label, name, old, new, keys))


class Before:
    """The rows that a removal may delete or change, as they are before it."""

    def __init__(self, cascade: Cascade) -> None:
        self.using = cascade.using
        #: By model of the table, then by primary key.
        self.rows: dict[type[models.Model], dict[Any, Values]] = {}
        for found in (cascade.deleted, cascade.changed):
            for model, rows in found.items():
                for key, row in rows.items():
                    self.rows.setdefault(model, {}).setdefault(key, dump_row(row, model))


def model_of(label: str) -> type[models.Model]:
    """Return the model with a label.

    Raises:
        LookupError: the project no longer has it.
    """
    return apps.get_model(label)


def read_keys(label: str, text: str) -> list[Any]:
    """Return the primary keys in a JSON text."""
    model = model_of(label)
    return [load_key(model, key) for key in json.loads(text)]


def file_names(snapshot: Snapshot) -> list[tuple[models.FileField, str]]:
    """Return the files of the gone rows, with the field that named each."""
    found: dict[tuple[models.FileField, str], None] = {}
    for label, rows in snapshot.rows.items():
        try:
            fields = columns_of(model_of(label))
        except LookupError:
            continue
        files = [one for one in fields if isinstance(one, models.FileField)]
        names = [(one, row.get(one.attname)) for row in rows for one in files]
        found.update({(one, name): None for one, name in names if name})
    return list(found)
