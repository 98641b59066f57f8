"""An HTTP proxy before the collection's service, with faults on demand."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What network and service take in good times: changes come while uploads are under way.
LATENCY = (0.01, 0.08)
#: Longer than a client of the rig waits for an answer.
SILENCE = 2.6
#: Shorter than that, and than what a busy machine adds.
DELAYS = (0.2, 1.0)
_PASSED_ON = ("Authorization", "Date", "Content-Type", "Accept", "User-Agent")


@dataclass
class Armed:
    """A fault that the next request will meet."""

    kind: str
    met: threading.Event = field(default_factory=threading.Event)


class Faults:
    """What is in store for the next requests, through whichever proxy they come."""

    def __init__(self) -> None:
        self._armed: deque[Armed] = deque()
        #: Whether nobody gets an answer.
        self.down = False

    def arm(self, kind: str) -> Armed:
        armed = Armed(kind)
        self._armed.append(armed)
        return armed

    def disarm(self, armed: Armed) -> None:
        with suppress(ValueError):
            self._armed.remove(armed)

    def take(self) -> str | None:
        try:
            armed = self._armed.popleft()
        except IndexError:
            return None
        armed.met.set()
        return armed.kind


class HeldUpload:
    """The next upload, which waits until someone lets it go on or lets it vanish."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.passes = False
        self._released = threading.Event()

    def let(self, *, passes: bool) -> None:
        self.passes = passes
        self._released.set()

    def wait(self) -> bool:
        self.arrived.set()
        self._released.wait(10)
        return self.passes


class CollectionProxy(ThreadingHTTPServer):
    """One client process's way to the service."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, target: tuple[str, int], faults: Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.faults = faults
        self.held: deque[HeldUpload] = deque(maxlen=1)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/v1"

    def hold_next_upload(self) -> HeldUpload:
        held = HeldUpload()
        self.held.append(held)
        return held

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: clients that hang up, or are killed, are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: CollectionProxy

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection(*self.server.target, timeout=30)

    def finish(self) -> None:
        self._upstream.close()
        with suppress(OSError):
            super().finish()

    def respond(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        if self.command in {"PUT", "POST"} and self.server.held:
            if not self.server.held.popleft().wait():
                self._reset()
                return
            self._answer(*self._ask(body))
            return
        if self.server.faults.down:
            self._reset()
            return
        kind = self.server.faults.take()
        if kind is None:
            self._answer(*self._ask(body))
        else:
            FAULTS[kind](self, body)

    do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        """Have the service do it."""
        time.sleep(random.uniform(*LATENCY))
        headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        self._upstream.request(self.command, self.path, body or None, headers)
        answer = self._upstream.getresponse()
        return answer.status, answer.read()

    def _answer(
        self, status: int, body: bytes, *, kind: str = "application/json", **headers: str
    ) -> None:
        self._begin(status, body, kind, headers)
        self.wfile.write(body)

    def _begin(self, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _client_is_there(self) -> bool:
        try:
            there: bytes = self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return there != b""

    # The faults. None lets the service do anything after the client has given up: API v1 has no
    # way to tell such an upload from a new one.

    def delay(self, body: bytes) -> None:
        time.sleep(random.uniform(*DELAYS))
        if self._client_is_there():
            self._answer(*self._ask(body))

    def reset(self, _: bytes) -> None:
        self._reset()

    def half_a_body(self, body: bytes) -> None:
        status, answer = self._ask(body)
        self._begin(status, answer, "application/json", {})
        self.wfile.write(answer[: len(answer) // 2])
        self.close_connection = True

    def rate_limited(self, _: bytes) -> None:
        wait = str(random.randint(1, 3))
        self._answer(429, b'{"status": 429, "message": "Too many requests"}', Retry_After=wait)

    def server_error(self, _: bytes) -> None:
        self._answer(500, b'{"status": 500, "message": "Internal error"}')

    def html_page(self, _: bytes) -> None:
        self._answer(200, b"<html><body>Maintenance</body></html>", kind="text/html")

    def silence(self, _: bytes) -> None:
        time.sleep(SILENCE)
        self._reset()

    def answer_lost(self, body: bytes) -> None:
        self._ask(body)
        self._reset()

    def log_message(self, *args: object) -> None:
        pass


FAULTS = {
    "collection: delay": _Handler.delay,
    "collection: reset": _Handler.reset,
    "collection: half a body": _Handler.half_a_body,
    "collection: 429 with Retry-After": _Handler.rate_limited,
    "collection: 500": _Handler.server_error,
    "collection: HTML page with 200": _Handler.html_page,
    "collection: silence": _Handler.silence,
    "collection: answer lost": _Handler.answer_lost,
}
