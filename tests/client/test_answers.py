from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    ImageRefusedError,
    NotJSONError,
    RateLimitedError,
    ServerError,
    VisualSnoopError,
)
from tests.v1server import Fault

if TYPE_CHECKING:
    from django_visualsnoop.client.models import Collection
    from tests.v1server import V1Server

HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize("status", [404, 409, 400, 411, 413, 415])
def test_documented_outcomes_are_returned(
    server: V1Server, client: Collection, status: int
) -> None:
    server.faults.append(Fault.refusal(status, "Why"))
    assert client.add_image(b"x", "a") == {"status": status, "message": "Why"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (403, AuthenticationError),
        (405, ServerError),
        (429, RateLimitedError),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
    ],
)
def test_other_outcomes_are_raised(
    server: V1Server, client: Collection, status: int, kind: type[VisualSnoopError]
) -> None:
    server.faults.append(Fault.refusal(status, "Why"))
    with pytest.raises(kind) as caught:
        client.add_image(b"x", "a")
    error = caught.value
    assert type(error) is kind
    assert str(error) == error.message == "Why"
    assert error.status == status
    assert error.payload == {"status": status, "message": "Why"}
    assert error.response is not None
    assert error.response.status_code == status


def test_an_error_without_a_message_names_the_request(server: V1Server, client: Collection) -> None:
    server.faults.append(Fault(500, body=b'{"error": true}'))
    with pytest.raises(ServerError, match=f"GET {server.endpoint}/image/a .*status 500"):
        client.get_image("a")


@pytest.mark.parametrize("status", [200, 401, 404, 500])
@pytest.mark.parametrize("body", [b"<html>", b"", b"[1]", b'"text"', b"null", b"[" * 100_000])
def test_what_is_no_json_object(
    server: V1Server, client: Collection, status: int, body: bytes
) -> None:
    server.faults.append(Fault(status, HTML, body))
    with pytest.raises(NotJSONError, match=f"status {status} and text/html") as caught:
        client.get_image("a")
    assert caught.value.status == status
    assert caught.value.response is not None
    assert isinstance(caught.value, ValueError)


def test_a_proxy_that_limits_rates_or_sizes_is_understood(
    server: V1Server, client: Collection
) -> None:
    server.faults.append(Fault(429, {**HTML, "Retry-After": "99"}, b"<html>"))
    with pytest.raises(RateLimitedError) as limited:
        client.get_image("a")
    assert limited.value.retry_after == 99
    server.faults.append(Fault(413, HTML, b"<html>"))
    with pytest.raises(ImageRefusedError) as refused:
        client.add_image(b"x", "a")
    assert refused.value.reason == "too_large"


@pytest.mark.parametrize("status", [404, 409, 400])
def test_an_outcome_in_another_api_s_words_is_raised(
    server: V1Server, client: Collection, status: int
) -> None:
    server.faults.append(Fault(status, body=b'{"detail": "Not found."}'))
    with pytest.raises(ServerError, match="the endpoint is the address of the API"):
        client.delete_image("a")


def test_the_status_of_the_body_counts_when_the_server_s_is_lost(
    server: V1Server, client: Collection
) -> None:
    server.faults.append(Fault(200, body=b'{"status": 500, "message": "Broken"}'))
    with pytest.raises(ServerError, match="Broken"):
        client.get_image("a")
    server.faults.append(Fault(404, body=b'{"message": "Gone"}'))
    assert client.get_image("a") == {"status": 404, "message": "Gone"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "advice"),
    [
        (
            "https://other.example.com/v1/image/a",
            "Set the endpoint to https://other.example.com/v1",
        ),
        (
            "https://me:hush@other.example.com/v1/image/a/",
            "endpoint to https://other.example.com/v1",
        ),
        ("https://other.example.com/login", "Set the endpoint to the address of the API"),
        ("", "redirected to no address"),
    ],
)
def test_redirects_are_not_followed(
    server: V1Server, client: Collection, status: int, location: str, advice: str
) -> None:
    server.faults.append(Fault(status, {"Location": location} if location else {}))
    with pytest.raises(ServerError) as caught:
        client.get_image("a")
    assert advice in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.status == status
    assert len(server.received) == 1


def test_a_redirect_to_the_same_server_is_not_followed(
    server: V1Server, client: Collection
) -> None:
    server.faults.append(Fault(301, {"Location": "/v1/image/a"}))
    with pytest.raises(ServerError) as caught:
        client.add_image(b"x", "a")
    assert server.endpoint.replace("/api/v1", "/v1") + "." in str(caught.value)
    assert len(server.received) == 1
