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
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

    def start(self, host: str = "127.0.0.1") -> tuple[subprocess.Popen[str], int]:
        """Start the server; return its process and port once it listens."""
        with socket.create_server((host, 0)) as free:
            port: int = free.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "django_visualsnoop.server.project.main"),
                *("--listen", f"{host}:{port}"),
            ],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
        return process, port

    @contextmanager
    def serving(self) -> Iterator[int]:
        process, port = self.start()
        try:
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=60)


#: The port of a server on this machine, or what opens a connection.
Where: TypeAlias = "int | Callable[[], http.client.HTTPConnection]"


def ask(where: Where, method: str, path: str, body: str = "", **headers: str) -> Any:
    connection = (
        http.client.HTTPConnection("127.0.0.1", where, timeout=60)
        if isinstance(where, int)
        else where()
    )
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body.encode(), fields)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, answer.headers, text
    finally:
        connection.close()


def sign_in(where: Where, password: str, **headers: str) -> Any:
    """Try to sign in as Ann; return the answer."""
    fields = {"username": "ann@example.com", "password": password}
    return post(where, "/sign-in/", fields, **headers)


def post(where: Where, path: str, fields: dict[str, str], **headers: str) -> Any:
    """Fill in the form of a page and send it; return the answer."""
    _, found, text = ask(where, "GET", path, **headers)
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', text)[-1]
    cookies = [headers.pop("Cookie", ""), found["Set-Cookie"].partition(";")[0]]
    return ask(
        where,
        "POST",
        path,
        urlencode({**fields, "csrfmiddlewaretoken": token}),
        **headers,
        Cookie="; ".join(filter(None, cookies)),
        Origin=f"https://{headers['Host']}",
        Content_Type="application/x-www-form-urlencoded",
    )
