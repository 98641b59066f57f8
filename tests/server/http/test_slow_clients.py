"""Who sends slowly, or much, and is not known: over real sockets."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.test import RequestFactory

from django_visualsnoop.server.conf import DEFAULT_MAX_IMPORT_BYTES
from django_visualsnoop.server.http.request_body import _Clock, drain_body
from django_visualsnoop.server.pages.rendering import get_largest_form
from django_visualsnoop.server.project.front import ANYBODYS_BYTES, get_most_bytes
from tests.collections.contract import image
from tests.server.hosting import Tenant, signed
from tests.server.project.test_project import PASSWORD, Installed
from tests.server.serving import PATIENCE, Served, Servers
from tests.server.v2 import bearer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]


def begin(port: int, path: str, length: int, *fields: str) -> socket.socket:
    """Send the head of a request with a body, and nothing of the body."""
    sent = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Length: {length}",
        "Content-Type: application/x-www-form-urlencoded",
        *fields,
    ]
    sent.sendall("\r\n".join([*lines, "", ""]).encode())
    return sent


def status_of(sent: socket.socket) -> int:
    response = http.client.HTTPResponse(sent)
    response.begin()
    return response.status


@pytest.fixture
def gunicorn(servers: Servers) -> Served:
    """With two processes of four threads each."""
    return servers["gunicorn-stock"]


@pytest.mark.parametrize(
    "path",
    ["/api/v1/image", "/api/v2/images", "/collections/new/", "/sign-in/"],
)
def test_slow_senders_hold_no_thread(gunicorn: Served, path: str) -> None:
    """More of them than there are threads, each a byte now and then, and never an end."""
    ended = threading.Event()
    # What is not refused at once is a form of who is not signed in, with whatever cookie.
    cookie = "Cookie: csrftoken=" + "a" * 32
    senders = [begin(gunicorn.port, path, 60_000, cookie) for _ in range(10)]

    def trickle(sent: socket.socket) -> None:
        try:
            while not ended.wait(0.2):
                sent.sendall(b"x")
        except OSError:
            pass

    threads = [threading.Thread(target=trickle, args=(sent,)) for sent in senders]
    for thread in threads:
        thread.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=PATIENCE)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        # While all of them still send, each gets its answer.
        assert {status_of(sent) for sent in senders} <= {302, 400, 401, 403}
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        for sent in senders:
            sent.close()


def test_a_slow_upload_ends() -> None:
    """In this process, with a clock that goes faster; the answer can still be sent."""
    here, there = socket.socketpair()
    with here, there:
        request = RequestFactory().generic("POST", "/", b"")
        request.META["gunicorn.socket"] = here
        with _Clock(request, 0.1, 10.0):
            there.sendall(b"x")
            assert here.recv(1) == b"x"
            assert here.recv(1) == b""  # it was told that there is no more
        here.sendall(b"the answer")
        assert there.recv(100) == b"the answer"


def test_a_large_body_that_is_refused_is_read_no_further() -> None:
    here, there = socket.socketpair()
    with here, there:
        request = RequestFactory().generic("POST", "/", bytes(1_000_000))
        request.META["gunicorn.socket"] = here
        drain_body(request, 1000)
        assert here.recv(1) == b""
    assert request.read() != b""


# visualsnoop-server


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, dict[str, Any]]]:
    """Its port, and a key."""
    command = Installed(tmp_path_factory.mktemp("data"))
    done = command.run("createuser", "ann@example.com", "--password-stdin", given=PASSWORD)
    assert done.returncode == 0, done.stderr
    words = ("visualsnoop_createcollection", "--owner", "ann@example.com", "--name", "n")
    key = json.loads(command.run(*words).stdout)
    with command.serving() as port:
        yield port, key


def test_nobody_unknown_sends_much(installed: tuple[int, dict[str, Any]]) -> None:
    """The answer comes before anything of the body was sent."""
    port, key = installed
    wrong = Tenant(key["collection_id"], key["public_key"], "0" * 40)
    for path, *fields in (
        ("/api/v1/image",),
        ("/api/v2/import",),
        ("/api/v2/import", "Authorization: Bearer x.y"),
        ("/api/v2/import", *(f"{name}: {value}" for name, value in bearer(wrong).items())),
        ("/api/v1/image", *_fields(signed(wrong, "POST", "/api/v1/image"))),
        ("/sign-in/",),
        ("/collections/new/", "Cookie: visualsnoop-session=" + "a" * 32),
        ("/admin/login/",),
    ):
        with begin(port, path, 2**30 - 1, *fields) as sent:
            assert status_of(sent) in (401, 413), path
        with begin(port, path, ANYBODYS_BYTES + 1, *fields) as sent:
            assert status_of(sent) == 401, path
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sent:
        head = (
            b"POST /api/v2/import HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        sent.sendall(head)
        assert status_of(sent) == 401


def test_who_is_known_sends_much(installed: tuple[int, dict[str, Any]]) -> None:
    port, key = installed
    ann = Tenant(key["collection_id"], key["public_key"], key["secret_key"])
    noise = image(1) + bytes(ANYBODYS_BYTES)
    for path, headers in (
        ("/api/v2/images", bearer(ann)),
        ("/api/v1/image", signed(ann, "POST", "/api/v1/image")),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("POST", path, noise, headers)
        reply = connection.getresponse()
        assert reply.status == 201, reply.read()
        connection.close()
    with begin(port, "/api/v2/import", get_most_bytes() + 1, *_fields(bearer(ann))) as sent:
        response = http.client.HTTPResponse(sent)
        response.begin()
        assert response.status == 413
        assert json.loads(response.read())["status"] == 413


def _fields(headers: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def test_the_documented_limit_of_nginx_is_that_of_the_server() -> None:
    text = (Path(__file__).parents[3] / "docs" / "server_running.rst").read_text()
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(megabytes) * 1024 * 1024 == get_most_bytes() == DEFAULT_MAX_IMPORT_BYTES
    assert get_largest_form() <= get_most_bytes()


# Under load


def test_many_clients_of_a_stock_project(gunicorn: Served, ann: Tenant) -> None:
    """Six at once write and read, and none is refused."""
    ann.limit(retention="thumbnails", max_images=1000)
    statuses: list[int] = []

    def work(number: int) -> None:
        client = gunicorn.client(ann)
        for turn in range(4):
            image_id = f"{number}-{turn}"
            statuses.append(client.add_image(image(number), image_id)["status"])
            statuses.append(client.add_image(image(1), image_id, update_existing=True)["status"])
            statuses.append(client.search_images(image(1))["status"])
            statuses.append(client.add_image(image(2))["status"])
            statuses.append(client.delete_image(image_id)["status"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connections.close_all()
    assert len(statuses) == 6 * 4 * 5
    assert set(statuses) <= {200, 201}
    assert "Traceback" not in gunicorn.log.read_text()
