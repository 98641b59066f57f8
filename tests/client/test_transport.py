from __future__ import annotations

import contextlib
import socket
import threading
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING

import pytest
import requests

from django_visualsnoop.client import transport
from django_visualsnoop.client.exceptions import (
    RateLimitedError,
    ServerError,
    TimedOutError,
    TransportError,
)
from django_visualsnoop.client.models import Collection
from django_visualsnoop.client.transport import is_plain_http, longest_call, without_credentials
from tests.v1server import PUBLIC_KEY, SECRET_KEY, Fault
from tests.workers import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.v1server import V1Server


def calls(client: Collection) -> dict[str, Callable[[], object]]:
    return {
        "GET": lambda: client.get_image("a"),
        "PUT": lambda: client.add_image(b"x", "a", update_existing=True),
        "DELETE": lambda: client.delete_image("a"),
        "POST": lambda: client.add_image(b"x", "a"),
    }


IDEMPOTENT = pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
BROKEN = pytest.mark.parametrize(
    "fault", [Fault(reset=True), Fault(body=b'{"status": 200}', cut=True)], ids=["reset", "cut"]
)


@IDEMPOTENT
@BROKEN
def test_a_broken_connection_is_tried_again(
    server: V1Server, client: Collection, waits: list[float], method: str, fault: Fault
) -> None:
    server.faults.extend([fault, fault, Fault.refusal(404)])
    assert calls(client)[method]() == {"status": 404, "message": "no"}
    assert [received.method for received in server.received] == [method] * 3
    assert len({received.body for received in server.received}) == 1
    assert waits == [0.2, 0.4]


@IDEMPOTENT
@BROKEN
def test_the_attempts_are_counted(
    server: V1Server, client: Collection, waits: list[float], method: str, fault: Fault
) -> None:
    server.faults.extend([fault] * 4)
    with pytest.raises(TransportError, match=f"{method} {server.endpoint}/image/a got no response"):
        calls(client)[method]()
    assert len(server.received) == 3


@BROKEN
def test_a_post_is_not_repeated_once_sent(
    server: V1Server, client: Collection, waits: list[float], fault: Fault
) -> None:
    server.faults.extend([fault] * 2)
    with pytest.raises(TransportError):
        calls(client)["POST"]()
    assert len(server.received) == 1
    assert waits == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_a_refused_connection_is_tried_again(method: str, waits: list[float]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = Collection(PUBLIC_KEY, SECRET_KEY, endpoint, connect=False)
        with pytest.raises(TransportError, match="connection was refused") as caught:
            calls(client)[method]()
    assert waits == [0.2, 0.4]
    assert isinstance(caught.value, requests.ConnectionError)
    assert caught.value.status is None


def test_a_post_that_could_not_connect_in_time_is_tried_again(waits: list[float]) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        endpoint = f"http://127.0.0.1:{full.getsockname()[1]}"
        client = Collection(PUBLIC_KEY, SECRET_KEY, endpoint, connect=False)
        with pytest.raises(TimedOutError):
            client.add_image(b"x", timeout=(0.05, 5))
    assert waits == [0.2, 0.4]


def test_a_failed_handshake_is_not_tried_again(server: V1Server, waits: list[float]) -> None:
    endpoint = server.endpoint.replace("http:", "https:")
    client = Collection(PUBLIC_KEY, SECRET_KEY, endpoint, connect=False)
    with pytest.raises(TransportError, match="SSL"):
        client.get_image("a")
    assert waits == []


@pytest.fixture
def silence() -> Iterator[threading.Event]:
    silence = threading.Event()
    yield silence
    silence.set()


def test_a_silent_service_times_out(
    server: V1Server, client: Collection, waits: list[float], silence: threading.Event
) -> None:
    server.faults.extend([Fault(silent_until=silence)] * 4)
    with pytest.raises(TimedOutError) as caught:
        client.get_image("a", timeout=0.5)
    assert isinstance(caught.value, requests.Timeout)
    # A busy machine's server may note a request only after its client has given up.
    wait_for(lambda: len(server.received) == 3)
    with pytest.raises(TimedOutError):
        client.add_image(b"x", timeout=(5, 0.5))
    wait_for(lambda: len(server.received) == 4)


def test_the_time_limit_of_the_collection_holds_without_another(
    server: V1Server, silence: threading.Event
) -> None:
    server.faults.append(Fault(silent_until=silence))
    with pytest.raises(TimedOutError):
        Collection(PUBLIC_KEY, SECRET_KEY, server.endpoint, max_retries=0, timeout=0.5)


def test_the_default_time_limit(client: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[object] = []

    def request(*args: object, timeout: object, **kwargs: object) -> None:
        used.append(timeout)
        raise requests.URLRequired

    monkeypatch.setattr(client.session, "request", request)
    with pytest.raises(TransportError):
        client.get_image("a")
    assert used == [(3.05, 30.0)]


def test_a_long_upload_is_not_cut_by_the_limit_for_connecting(
    server: V1Server, client: Collection
) -> None:
    content = bytes(20 << 20)  # more than the socket buffers take
    server.pause_between_reads = 0.04
    server.faults.append(Fault.refusal(413))
    assert client.add_image(content, timeout=(0.4, 30))["status"] == 413
    assert server.received[0].body == content
    assert server.received[0].headers["Content-Length"] == str(len(content))


@IDEMPOTENT
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("value", "wait"), [("7", 7), ("30", 30), ("0", 0)])
def test_retry_after_is_honoured(
    server: V1Server,
    client: Collection,
    waits: list[float],
    method: str,
    status: int,
    value: str,
    wait: float,
) -> None:
    server.faults.extend([Fault.refusal(status, Retry_After=value), Fault.refusal(404)])
    assert calls(client)[method]() == {"status": 404, "message": "no"}
    assert waits == [wait]


def test_retry_after_as_a_date(server: V1Server, client: Collection, waits: list[float]) -> None:
    in_20_s = formatdate(time() + 20, usegmt=True)
    long_ago = formatdate(0, usegmt=True)
    server.faults.extend(Fault.refusal(503, Retry_After=date) for date in (in_20_s, long_ago))
    server.faults.append(Fault.refusal(404))
    assert client.get_image("a")["status"] == 404
    assert 0 < waits[0] <= 20
    assert waits[1] == 0


@pytest.mark.parametrize("value", ["31", "soon", "", "9" * 400, formatdate(4e9, usegmt=True)])
def test_no_wait_is_better_than_a_wrong_one(
    server: V1Server, client: Collection, waits: list[float], value: str
) -> None:
    server.faults.extend([Fault.refusal(429, Retry_After=value)] * 2)
    with pytest.raises(RateLimitedError):
        client.get_image("a")
    assert len(server.received) == 1
    assert waits == []


def test_the_wait_asked_for_is_told(server: V1Server, client: Collection) -> None:
    server.faults.append(Fault.refusal(429, "Slow down", Retry_After="600"))
    with pytest.raises(RateLimitedError, match="Slow down") as limited:
        client.get_image("a")
    assert limited.value.retry_after == 600
    server.faults.append(Fault.refusal(503, "Closed", Retry_After="600"))
    with pytest.raises(ServerError, match="Closed") as closed:
        client.get_image("a")
    assert closed.value.retry_after == 600
    server.faults.append(Fault.refusal(503, "Closed"))
    with pytest.raises(ServerError) as closed:
        client.get_image("a")
    assert closed.value.retry_after is None


def test_a_post_never_waits(server: V1Server, client: Collection, waits: list[float]) -> None:
    server.faults.extend([Fault.refusal(429, Retry_After="1")] * 2)
    with pytest.raises(RateLimitedError) as caught:
        calls(client)["POST"]()
    assert caught.value.retry_after == 1
    assert waits == []


def test_each_attempt_is_dated_and_signed_anew(
    server: V1Server, client: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_500_000_000.0]
    monkeypatch.setattr("email.utils.time.time", lambda: clock[0])

    def pass_time(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(transport, "sleep", pass_time)
    server.faults.extend([Fault.refusal(429, Retry_After="7"), Fault.refusal(404)])
    client.get_image("a")
    first, second = (received.headers for received in server.received)
    assert first["Date"] == formatdate(1_500_000_000, usegmt=True)
    assert second["Date"] == formatdate(1_500_000_007, usegmt=True)
    assert first["Authorization"] != second["Authorization"]


def test_a_forked_child_opens_its_own_connection(
    server: V1Server, client: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults.extend([Fault.refusal(404)] * 4)
    client.get_image("a")
    client.get_image("a")
    monkeypatch.setattr("os.getpid", lambda: -1)
    client.get_image("a")
    client.get_image("a")
    parent, same, child, same_child = (received.port for received in server.received)
    assert parent == same
    assert parent != child
    assert child == same_child


@pytest.mark.parametrize(
    ("endpoint", "plain"),
    [
        ("http://images.example.com/api/v1", True),
        ("HTTP://images.example.com", True),
        ("http://192.168.1.4/api/v1", True),
        ("http://localhost.example.com", True),
        ("https://images.example.com/api/v1", False),
        ("http://localhost:8000/api/v1", False),
        ("http://shop.localhost/api/v1", False),
        ("http://127.0.0.1:8000/api/v1", False),
        ("http://127.8.9.1/api/v1", False),
        ("http://[::1]:8000/api/v1", False),
    ],
)
def test_plain_http(endpoint: str, plain: bool) -> None:
    assert is_plain_http(endpoint) is plain


def test_longest_call() -> None:
    assert longest_call((3, 30), 0) == 33
    assert longest_call(10, 2) == 3 * 20 + 2 * 30


def test_credentials_in_a_url_are_not_shown() -> None:
    shown = without_credentials("https://me:hush@images.example.com:8443/api/v1?a=b")
    assert shown == "https://images.example.com:8443/api/v1?a=b"


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (
            "http://127.0.0.1:9/api/v1",
            "the connection was refused; nothing listens on that port",
        ),
        ("http://nobody.invalid/api/v1", "the host name is unknown"),
    ],
)
def test_why_no_answer_came_in_plain_words(waits: list[float], endpoint: str, words: str) -> None:
    with pytest.raises(TransportError) as caught:
        Collection(PUBLIC_KEY, SECRET_KEY, endpoint, connect=False).get_image("a")
    assert str(caught.value) == f"GET {endpoint}/image/a got no response: {words}."
    assert isinstance(caught.value.__cause__, requests.RequestException)
