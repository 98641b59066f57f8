"""Exceptions that a project may catch: those of the integration, and those of collections."""

from __future__ import annotations

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

__all__ = [
    "AuthenticationError",
    "CollectionDoesNotExist",
    "ConflictError",
    "ImageRefusedError",
    "InvalidImageIdError",
    "MissingExtra",
    "NotFoundError",
    "NotJSONError",
    "RateLimitedError",
    "ServerError",
    "TimedOutError",
    "TransportError",
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


class UnsupportedSearch(VisualSnoopError, ValueError):  # noqa: N818
    """The collection does not support this kind of search."""
