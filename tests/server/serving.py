"""The service under real servers, over real sockets."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from django_visualsnoop.client.models import Collection
from tests.server.hosting import API, Reply, signed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.server.hosting import Tenant

#: The last is the test runner's own.
MAIN_SERVERS = ("gunicorn", "uvicorn", "waitress", "runserver")
#: Under the others, only what depends on how a server passes requests on is tested.
SERVERS = (*MAIN_SERVERS, "daphne", "granian-wsgi", "granian-asgi")
#: Seconds that a server may take to start and answer, on a busy machine.
PATIENCE = 60.0


@dataclass(frozen=True)
class Served:
    name: str
    port: int
    log: Path

    @property
    def tells_raw_path(self) -> bool:
        """Whether the service gets to know how the client quoted the path."""
        return self.name not in {"runserver", "granian-wsgi"}

    @property
    def reads_chunks(self) -> bool:
        """Whether a body without a declared length reaches the service."""
        return self.name not in {"gunicorn", "runserver", "granian-wsgi"}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}{API}"

    def client(self, whose: Tenant) -> Collection:
        """Return our own client."""
        return Collection(whose.public_key, whose.secret, self.endpoint, timeout=PATIENCE)

    def send(
        self,
        whose: Tenant | None,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send a request; ``path`` is percent-encoded, after the prefix, perhaps with a query."""
        target = f"{API}{path}"
        own = signed(whose, method, target.partition("?")[0]) if whose else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            # A server that does not want the body may answer, and close, while it is sent.
            with suppress(BrokenPipeError):
                connection.request(method, target, body, {**own, **(headers or {})})
            return _reply(connection.getresponse())
        finally:
            connection.close()

    def send_bytes(self, request: bytes) -> Reply | None:
        """Send these bytes, then say that no more will come; ``None`` if the service says nothing.

        Granian itself then answers a 500 without a type; others close the connection.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(connection)
            try:
                response.begin()
                return _reply(response) if response.getheader("Content-Type") else None
            except (http.client.BadStatusLine, ConnectionError):
                return None


def _reply(response: http.client.HTTPResponse) -> Reply:
    body = response.read()
    # Granian writes the names in lower case.
    headers = {name.title(): value for name, value in response.getheaders()}
    return Reply(response.status, json.loads(body), headers)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except OSError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < give_up, "the server does not listen"
            time.sleep(0.05)
        else:
            return


class Servers:
    """Server processes of the test project, over the database that the test runner made."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self._folder = folder
        self._variables = variables
        self._running: dict[str, tuple[Served, subprocess.Popen[bytes]]] = {}

    def __getitem__(self, name: str) -> Served:
        if name not in self._running:
            self._running[name] = self._start(name)
        return self._running[name][0]

    def _start(self, name: str) -> tuple[Served, subprocess.Popen[bytes]]:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_IS_WORKER": "1",
            "TEST_SQLITE_FOLDER": str(Path(str(settings.DATABASES["default"]["NAME"])).parent),
            **self._variables,
        }
        if name.endswith("-stock"):  # SQLite as a project has it that startproject made
            environment["TEST_TRANSACTION_MODE"] = "DEFERRED"
        log = self._folder / f"{name}.log"
        with socket.socket() as listening, log.open("wb") as out:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(("127.0.0.1", 0))
            own_socket = name.startswith("granian")
            if not own_socket:
                listening.listen(64)  # requests wait from now on until the server takes them
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.server.serve", name, str(listening.fileno())],
                cwd=Path(__file__).parents[2],
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
            port = listening.getsockname()[1]
            if own_socket:
                _wait_for(port, process)
            return Served(name, port, log), process

    def get_group(self, name: str) -> int:
        """Return the id of the group of a server's processes."""
        return self._running[name][1].pid

    def stop(self) -> None:
        for _, process in self._running.values():
            process.terminate()
        for _, process in self._running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)
