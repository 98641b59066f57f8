"""What the user chose to keep, and so which rows are left to be deleted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousOperation, ValidationError

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


def read_choices(data: QueryDict, key: models.Field[Any, Any]) -> list[Choice]:
    """Return what a submitted form says of each group.

    Raises:
        SuspiciousOperation: our pages send no such form.
    """
    choices = []
    for name in data:
        if name.startswith(MEMBERS):
            kept = data.get(KEEP + name.removeprefix(MEMBERS))
            try:
                keys = [str(text) for text in json.loads(data.get(name, ""))]
                members = frozenset(key.to_python(text) for text in keys)
                choices.append(Choice(members, key.to_python(kept) if kept in keys else None))
            except (ValueError, TypeError, ValidationError) as error:
                raise SuspiciousOperation(f"{name} lists no keys.") from error
    return choices


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
