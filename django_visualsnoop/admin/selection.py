"""Check a changelist's selection before querying the database for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db import DEFAULT_DB_ALIAS

from django_visualsnoop.indexed.keys import read_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db import models


def check_selection(
    texts: Iterable[str], key: models.Field[Any, Any], *, using: str = DEFAULT_DB_ALIAS
) -> None:
    """Check that each text can be a key.

    Raises:
        SuspiciousOperation: one of the texts is not a valid key.
    """
    for text in texts:
        try:
            read_key(key, text, using)
        except ValidationError as error:
            raise SuspiciousOperation(f"{text[:50]!r} is not a valid key.") from error
