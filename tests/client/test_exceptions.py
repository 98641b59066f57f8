from __future__ import annotations

import pickle

import pytest
import requests

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    ConflictError,
    ImageRefusedError,
    NotFoundError,
    NotJSONError,
    RateLimitedError,
    ServerError,
    TimedOutError,
    TransportError,
    VisualSnoopError,
    error_for,
    raise_for_result,
)


@pytest.mark.parametrize("status", [200, 201])
def test_a_success_raises_nothing(status: int) -> None:
    raise_for_result({"status": status})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (409, ConflictError),
        (429, RateLimitedError),
        (400, VisualSnoopError),
        (500, ServerError),
        (302, ServerError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[VisualSnoopError]) -> None:
    result = {"status": status, "message": "Why"}
    with pytest.raises(kind, match="Why") as caught:
        raise_for_result(result)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.payload == result


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "undecodable"), (411, "empty"), (413, "too_large"), (415, "unsupported")],
)
def test_a_refused_image_has_its_reason(status: int, reason: str) -> None:
    with pytest.raises(ImageRefusedError) as caught:
        raise_for_result({"status": status, "message": "Why"}, image_sent=True)
    assert caught.value.reason == reason


def test_what_visualsnoop_let_through_is_still_caught() -> None:
    assert issubclass(VisualSnoopError, IOError)
    assert issubclass(TransportError, requests.ConnectionError)
    assert issubclass(TimedOutError, requests.Timeout)
    assert issubclass(NotJSONError, ValueError)


def test_errors_survive_pickling() -> None:
    error = error_for(429, "Slow down", payload={"status": 429}, retry_after=7)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is RateLimitedError
    assert (str(copy), copy.status, copy.retry_after) == ("Slow down", 429, 7)
    transport = pickle.loads(pickle.dumps(TimedOutError("Too late")))
    assert (str(transport), transport.message, transport.status) == ("Too late", "Too late", None)
