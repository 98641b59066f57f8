"""Exceptions that a project may catch: those of the integration, and those of collections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    ConflictError,
    ImageRefusedError,
    InvalidImageIdError,
    NotFoundError,
    NotJSONError,
    RateLimitedError,
    ServerError,
    TimedOutError,
    TransportError,
    VisualSnoopError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.merging.plan import RelatedRows

__all__ = [
    "AuthenticationError",
    "CollectionDoesNotExist",
    "ConflictError",
    "ImageRefusedError",
    "InvalidImageIdError",
    "MergeConflict",
    "MergeError",
    "MissingExtra",
    "NotFoundError",
    "NotJSONError",
    "RateLimitedError",
    "ServerError",
    "TimedOutError",
    "TransportError",
    "UndoError",
    "UnsupportedSearch",
    "VisualSnoopError",
]


class CollectionDoesNotExist(ImproperlyConfigured):
    """The ``VISUALSNOOP`` setting has no such alias."""


class MissingExtra(ImproperlyConfigured):
    """A backend needs packages that an extra of this distribution installs."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs packages that are not installed. "
            f'Type: python -m pip install "django-visualsnoop[{extra}]"'
        )


class MergeError(Exception):
    """Rows cannot be merged; nothing has changed."""


class MergeConflict(MergeError):  # noqa: N818
    """Merging rows would lose related rows; nothing has changed."""

    def __init__(self, message: str, conflicts: Sequence[RelatedRows]) -> None:
        super().__init__(message)
        #: The rows that cannot move, by relation.
        self.conflicts = conflicts


class UndoError(Exception):
    """A merge cannot be undone; nothing has changed."""


class UnsupportedSearch(VisualSnoopError, ValueError):  # noqa: N818
    """The collection does not support this kind of search."""
