"""Read which rows the user keeps, and determine the rows to delete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db import DEFAULT_DB_ALIAS

from django_visualsnoop.indexed.keys import read_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db import models
    from django.http import QueryDict

#: Names of the form fields of the duplicates page; the first two occur once per group.
MEMBERS = "visualsnoop_members_"
KEEP = "visualsnoop_keep_"
PAGE = "visualsnoop_page"
DELETE = "visualsnoop_delete"


@dataclass(frozen=True, slots=True)
class Choice:
    """One group of the page: the keys of its rows, and the one to keep."""

    members: frozenset[Any]
    #: ``None`` to keep all.
    kept: Any | None


def members_value(keys: Iterable[str]) -> str:
    """Return a group's keys as the value of one form field."""
    return json.dumps(list(keys))


def read_choices(
    data: QueryDict, key: models.Field[Any, Any], *, limit: int, using: str = DEFAULT_DB_ALIAS
) -> list[Choice]:
    """Return the choice for each group of a submitted form.

    Args:
        data: the form data.
        key: the primary key of the rows.
        limit: highest number of keys on a page.
        using: alias of the database of the rows.

    Raises:
        SuspiciousOperation: the form is not one that the page sends.
    """
    choices = []
    count = 0
    for name in data:
        if name.startswith(MEMBERS):
            kept = data.get(KEEP + name.removeprefix(MEMBERS))
            try:
                texts = json.loads(data.get(name, ""))
                if not isinstance(texts, list):
                    raise TypeError(name)
                keys = {str(text): read_key(key, str(text), using) for text in texts}
            # RecursionError: deeply nested lists.
            except (ValueError, TypeError, ValidationError, RecursionError) as error:
                raise SuspiciousOperation(f"{name} must be a list of keys.") from error
            choices.append(Choice(frozenset(keys.values()), keys.get(kept or "")))
            count += len(keys)
            if count > limit:
                raise SuspiciousOperation(f"The form contains more than {limit} keys.")
    return choices


def check_selection(
    texts: Iterable[str], key: models.Field[Any, Any], *, using: str = DEFAULT_DB_ALIAS
) -> None:
    """Check a changelist's selection before querying the database for it.

    Raises:
        SuspiciousOperation: one of the texts is not a valid key.
    """
    for text in texts:
        try:
            read_key(key, text, using)
        except ValidationError as error:
            raise SuspiciousOperation(f"{text[:50]!r} is not a valid key.") from error


def others(choices: list[Choice], present: set[Any]) -> tuple[set[Any], int]:
    """Return the keys to delete, of rows that still exist, and the number of skipped groups.

    A group is skipped if the row to keep no longer exists.
    """
    kept = {choice.kept for choice in choices}
    left: set[Any] = set()
    gone = 0
    for choice in choices:
        if choice.kept in present:
            left |= choice.members
        elif choice.kept is not None:
            gone += 1
    return left & present - kept, gone
