"""What the user chose to keep, and so which rows are left to be deleted."""

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

#: Names of the fields of the duplicates page's form; the first two once per group.
MEMBERS = "visualsnoop_members_"
KEEP = "visualsnoop_keep_"
PAGE = "visualsnoop_page"
DELETE = "visualsnoop_delete"


@dataclass(frozen=True, slots=True)
class Choice:
    """One group as it was shown: the keys of its rows, and the one to keep."""

    members: frozenset[Any]
    #: ``None``: keep all.
    kept: Any | None


def members_value(keys: Iterable[str]) -> str:
    """Return a group's keys as one form field, so that many rows are few fields."""
    return json.dumps(list(keys))


def read_choices(
    data: QueryDict, key: models.Field[Any, Any], *, limit: int, using: str = DEFAULT_DB_ALIAS
) -> list[Choice]:
    """Return what a submitted form says of each group.

    Args:
        data: the form.
        key: the primary key of the rows.
        limit: how many keys a page has at most.
        using: alias of the database of the rows.

    Raises:
        SuspiciousOperation: our pages send no such form.
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
            # Lists in lists may be too deep to be read.
            except (ValueError, TypeError, ValidationError, RecursionError) as error:
                raise SuspiciousOperation(f"{name} lists no keys.") from error
            choices.append(Choice(frozenset(keys.values()), keys.get(kept or "")))
            count += len(keys)
            if count > limit:
                raise SuspiciousOperation(f"The form lists more than {limit} keys.")
    return choices


def check_selection(
    texts: Iterable[str], key: models.Field[Any, Any], *, using: str = DEFAULT_DB_ALIAS
) -> None:
    """Refuse a selection that no changelist sends, before a database is asked for it.

    Raises:
        SuspiciousOperation: one of the texts is no key.
    """
    for text in texts:
        try:
            read_key(key, text, using)
        except ValidationError as error:
            raise SuspiciousOperation(f"{text[:50]!r} is no key.") from error


def others(choices: list[Choice], present: set[Any]) -> tuple[set[Any], int]:
    """Return the keys that nobody wants to keep, of rows that are still there.

    Also how many groups were left alone since what should be kept is gone.
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
