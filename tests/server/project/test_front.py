"""Who sends a long body to visualsnoop-server."""

from __future__ import annotations

import http.client
import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.server.conf import DEFAULT_MAX_IMPORT_BYTES
from django_visualsnoop.server.pages.rendering import get_largest_form
from django_visualsnoop.server.project.front import ANYBODYS_BYTES, get_most_bytes
from tests.collections.contract import image
from tests.server.hosting import Tenant, signed
from tests.server.project.installed import PASSWORD, Installed
from tests.server.serving import PATIENCE
from tests.server.sockets import begin, status_of
from tests.server.v2 import bearer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]


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
