"""The installed command, and what it serves."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]


PASSWORD = "correct horse battery"


class Installed:
    """The command, with a data folder of its own."""

    def __init__(self, folder: Path, **variables: str) -> None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("VISUALSNOOP_", "DJANGO_", "TEST_"))
        }
        self.env = {**inherited, "VISUALSNOOP_DATA": str(folder), **variables}

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "django_visualsnoop.server.project.main", *words],
            cwd=ROOT,
            env=self.env,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def serving(self) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "django_visualsnoop.server.project.main"),
                *("--listen", f"127.0.0.1:{port}"),
            ],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("Ctrl-C"):
                    break
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=60)


def ask(port: int, method: str, path: str, body: str = "", **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body.encode(), fields)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, answer.headers, text
    finally:
        connection.close()


def sign_in(port: int, password: str, **headers: str) -> Any:
    """Try to sign in as Ann; return the answer."""
    fields = {"username": "ann@example.com", "password": password}
    return post(port, "/sign-in/", fields, **headers)


def post(port: int, path: str, fields: dict[str, str], **headers: str) -> Any:
    """Fill in the form of a page and send it; return the answer."""
    _, found, text = ask(port, "GET", path, **headers)
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', text)[-1]
    cookies = [headers.pop("Cookie", ""), found["Set-Cookie"].partition(";")[0]]
    return ask(
        port,
        "POST",
        path,
        urlencode({**fields, "csrfmiddlewaretoken": token}),
        **headers,
        Cookie="; ".join(filter(None, cookies)),
        Origin=f"https://{headers['Host']}",
        Content_Type="application/x-www-form-urlencoded",
    )
