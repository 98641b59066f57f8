"""What can go wrong between a caller and a collection.

The classes are shared by every collection, remote or embedded, so that a
caller handles one family of errors. ``VisualSnoopError`` is an ``OSError`` as
in ``visualsnoop`` 0.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests import exceptions as requests_exceptions

if TYPE_CHECKING:
    from collections.abc import Mapping

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


#: What API v1 answers to bytes that it refuses, by the reason; 400 for others.
REFUSAL_STATUS = {"too_large": 413, "unsupported": 415}


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


class TransportError(VisualSnoopError, requests_exceptions.ConnectionError):
    """No answer came: refused, reset, or the name is unknown.

    Also a ``requests.ConnectionError``, which is what ``visualsnoop`` 0.2 let through.
    """


class TimedOutError(TransportError, requests_exceptions.Timeout):
    """No answer came in time."""


class NotJSONError(ServerError, ValueError):
    """The answer was not a JSON object, so it is no VisualSnoop service that answered.

    Also a ``ValueError``, which is what ``visualsnoop`` 0.2 let through.
    """


IMAGE_REFUSALS = {400: "undecodable", 411: "empty", 413: "too_large", 415: "unsupported"}


def error_for(
    status: int,
    message: str,
    *,
    payload: dict[str, Any] | None = None,
    response: Response | None = None,
    retry_after: float | None = None,
    image_sent: bool = False,
) -> VisualSnoopError:
    """Return the error that says what an unsuccessful HTTP ``status`` means.

    Args:
        status: the HTTP status.
        message: what happened, in words for a person.
        payload: the service's JSON object, if it sent one.
        response: the answer.
        retry_after: the wait that the service asked for, in seconds.
        image_sent: the request had an image in it, which is what a 400 is about.
    """
    details: dict[str, Any] = {"status": status, "payload": payload, "response": response}
    if status in {401, 403}:
        return AuthenticationError(message, **details)
    if status == 404:
        return NotFoundError(message, **details)
    if status == 409:
        return ConflictError(message, **details)
    if status == 429:
        return RateLimitedError(message, retry_after=retry_after, **details)
    if status == 400 and not image_sent:
        return VisualSnoopError(message, **details)
    if status in IMAGE_REFUSALS:
        return ImageRefusedError(message, reason=IMAGE_REFUSALS[status], **details)
    return ServerError(message, retry_after=retry_after, **details)


def raise_for_result(result: Mapping[str, Any], *, image_sent: bool = False) -> None:
    """Raise the fitting ``VisualSnoopError`` if a dict of ``Collection`` is no success.

    Args:
        result: what a call of ``django_visualsnoop.client.models.Collection`` returned.
        image_sent: the call sent an image, so that a 400 refuses that image.
    """
    status = result["status"]
    if not 200 <= status < 300:
        raise error_for(
            status, result.get("message", ""), payload=dict(result), image_sent=image_sent
        )
