"""Every error that a project may catch: those of the integration, and those of collections."""

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
    """No such alias in the ``VISUALSNOOP`` setting."""


class MissingExtra(ImproperlyConfigured):
    """A backend needs packages that an extra of this distribution brings."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs packages that are not installed. "
            f'Type: python -m pip install "django-visualsnoop[{extra}]"'
        )


class UnsupportedSearch(VisualSnoopError, ValueError):  # noqa: N818
    """The collection cannot search in the way that was asked for."""
