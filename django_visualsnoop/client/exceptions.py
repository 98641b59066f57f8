"""The errors of collections.

All collections, on a service or embedded, raise the same classes. ``VisualSnoopError`` is an
``OSError``, as in ``visualsnoop`` 0.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests import exceptions as requests_exceptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import Response


class VisualSnoopError(OSError):
    """A call to a collection failed.

    Args:
        message: what is wrong.
        status: the HTTP status, or the status that API v1 has for this error;
            ``None`` if there was no response.
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
    """404: the collection does not contain an image with this id."""


class ConflictError(VisualSnoopError):
    """409: the collection already contains an image with this id."""


class InvalidImageIdError(VisualSnoopError, ValueError):
    """The image id is not valid in any collection."""


#: What API v1 answers to bytes that it refuses, by the reason; 400 for others.
REFUSAL_STATUS = {"too_large": 413, "unsupported": 415}


class ImageRefusedError(VisualSnoopError):
    """The collection cannot index the bytes as a picture. Do not try again.

    Args:
        reason: ``"empty"``, ``"undecodable"``, ``"unsupported"`` or ``"too_large"``.
    """

    def __init__(self, message: str = "", *, reason: str = "undecodable", **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.reason = reason


class RateLimitedError(VisualSnoopError):
    """429: too many requests. ``retry_after`` says how many seconds to wait, if known."""

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class ServerError(VisualSnoopError):
    """5xx, or a response that API v1 does not define. ``retry_after`` is in seconds, if given."""

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class TransportError(VisualSnoopError, requests_exceptions.ConnectionError):
    """There was no response: the connection failed, or the host name is unknown.

    Also a ``requests.ConnectionError``, which ``visualsnoop`` 0.2 raised.
    """


class TimedOutError(TransportError, requests_exceptions.Timeout):
    """There was no response in time."""


class NotJSONError(ServerError, ValueError):
    """The response is not a JSON object, so it is not from a VisualSnoop service.

    Also a ``ValueError``, which ``visualsnoop`` 0.2 raised.
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
    """Return the error for an HTTP status that is not a success.

    Args:
        status: the HTTP status.
        message: what is wrong.
        payload: the service's JSON object, if it sent one.
        response: the response.
        retry_after: how long the service asked to wait, in seconds.
        image_sent: whether the request contained an image; a 400 then refuses the image.
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
    """Raise a ``VisualSnoopError`` if a result of ``Collection`` is not a success.

    Args:
        result: what a call of ``django_visualsnoop.client.models.Collection`` returned.
        image_sent: whether the call sent an image; a 400 then refuses the image.
    """
    status = result["status"]
    if not 200 <= status < 300:
        raise error_for(
            status, result.get("message", ""), payload=dict(result), image_sent=image_sent
        )
