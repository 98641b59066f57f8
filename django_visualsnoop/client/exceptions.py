"""What can go wrong between a caller and a collection.

The classes are shared by every collection, remote or embedded, so that a
caller handles one family of errors. ``VisualSnoopError`` is an ``OSError`` as
in ``visualsnoop`` 0.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Response


class VisualSnoopError(OSError):
    """A call to a collection did not end as asked.

    Args:
        message: what happened, in words for a person.
        status: the HTTP status, or the one API v1 gives to this outcome;
            ``None`` when there was no answer.
        payload: the service's JSON object, if it sent one.
        response: the ``requests.Response``, if there was one.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        payload: dict[str, Any] | None = None,
        response: Response | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.payload = payload
        self.response = response


class AuthenticationError(VisualSnoopError):
    """401 or 403: the keys are wrong, revoked or not allowed to do this."""


class NotFoundError(VisualSnoopError):
    """404: the collection holds no image under this id."""


class ConflictError(VisualSnoopError):
    """409: the collection already holds an image under this id."""


class InvalidImageIdError(VisualSnoopError, ValueError):
    """An image id that no collection can take."""


class ImageRefusedError(VisualSnoopError):
    """The bytes are no picture that the collection can index; trying again is no use.

    Args:
        reason: ``"empty"``, ``"undecodable"``, ``"unsupported"`` or ``"too_large"``.
    """

    def __init__(self, message: str = "", *, reason: str = "undecodable", **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.reason = reason


class RateLimitedError(VisualSnoopError):
    """429: too many requests. ``retry_after`` is the wait asked for, in seconds, if known."""

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class ServerError(VisualSnoopError):
    """5xx, or an answer that API v1 does not know. ``retry_after`` in seconds, if given."""

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class TransportError(VisualSnoopError):
    """No answer came: refused, reset, timed out, or the name is unknown."""


class NotJSONError(ServerError):
    """The answer was not a JSON object, so it is no VisualSnoop service that answered."""
