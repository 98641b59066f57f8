"""Turn a service's HTTP response into the JSON object of a documented result, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from django_visualsnoop.client.exceptions import (
    IMAGE_REFUSALS,
    NotJSONError,
    ServerError,
    error_for,
)
from django_visualsnoop.client.transport import retry_after, without_credentials

if TYPE_CHECKING:
    import requests

#: API v1 documents these next to the 2xx; their dict is returned, not raised.
DOCUMENTED = {404, 409, *IMAGE_REFUSALS}


def read_answer(response: requests.Response, call: str, *, image_sent: bool) -> dict[str, Any]:
    """Return the JSON object of a response that API v1 documents, including ``status``.

    Args:
        response: the response.
        call: the part of the URL after the endpoint.
        image_sent: whether the request contained an image.

    Raises:
        VisualSnoopError: the response is any other; the error has its status and message.
    """
    status = response.status_code
    if 300 <= status < 400:
        raise _redirected(response, call)
    payload = _json_object(response)
    if payload is None:
        raise _not_json(response, image_sent=image_sent)
    if isinstance(payload.get("status"), int):
        status = max(status, payload["status"])
    payload["status"] = status
    if 200 <= status < 300:
        return payload
    if status in DOCUMENTED and not isinstance(payload.get("message"), str):
        raise ServerError(
            f"{_request(response)} returned status {status}, but not as API v1 does. Check that "
            "the endpoint is the address of the API, such as https://images.example.com/api/v1.",
            status=status,
            payload=payload,
            response=response,
        )
    if status in DOCUMENTED:
        return payload
    raise error_for(
        status,
        str(payload.get("message") or f"{_request(response)} returned status {status}."),
        payload=payload,
        response=response,
        retry_after=retry_after(response),
    )


def _json_object(response: requests.Response) -> dict[str, Any] | None:
    try:
        payload = response.json()
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _not_json(response: requests.Response, *, image_sent: bool) -> Exception:
    status = response.status_code
    kind = response.headers.get("Content-Type", "no content type")
    message = (
        f"{_request(response)} returned status {status} and {kind:.80} instead of a JSON object, "
        "so the response is not from the service. Check the endpoint, and any proxy on the way."
    )
    # What stands between limits rates and sizes too, in its own words.
    if status == 429 or (image_sent and status == 413):
        return error_for(
            status,
            message,
            response=response,
            retry_after=retry_after(response),
            image_sent=image_sent,
        )
    return NotJSONError(
        message, status=status, response=response, retry_after=retry_after(response)
    )


def _redirected(response: requests.Response, call: str) -> ServerError:
    location = response.headers.get("Location", "")
    target = without_credentials(urljoin(str(response.url), location))
    path = urlsplit(target)._replace(query="", fragment="").geturl()
    advice = "Set the endpoint to the address of the API"
    if location and path.rstrip("/").endswith(call):
        advice = f"Set the endpoint to {path.rstrip('/').removesuffix(call)}"
    return ServerError(
        f"{_request(response)} was redirected to {target if location else 'no address'}. The "
        f"client does not follow redirects, because they invalidate the signature. {advice}.",
        status=response.status_code,
        response=response,
    )


def _request(response: requests.Response) -> str:
    return f"{response.request.method} {without_credentials(str(response.url))}"
