"""Who sends slowly, or much, and is not known: over real sockets."""

from __future__ import annotations

import http.client
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connections
from django.test import RequestFactory

from django_visualsnoop.server.http.request_body import _Clock, drain_body
from tests.collections.contract import image
from tests.server.hosting import signed
from tests.server.serving import PATIENCE, Served, Servers
from tests.server.sockets import begin, status_of

if TYPE_CHECKING:
    from tests.server.hosting import Tenant

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]


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


def test_slow_uploads_leave_a_thread(gunicorn: Served, ann: Tenant) -> None:
    """The server reads the bodies of known clients, and answers others meanwhile."""
    fields = signed(ann, "POST", "/api/v1/image")
    lines = [f"{name}: {value}" for name, value in fields.items()]
    senders = [begin(gunicorn.port, "/api/v1/image", 60_000, *lines) for _ in range(3)]
    try:
        for sent in senders:
            sent.sendall(b"x")
        for _ in range(4):
            assert gunicorn.send(ann, "GET", "/images").body["images"] == []
    finally:
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
