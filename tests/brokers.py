"""Brokers that are out of order, each in its own way."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Database or virtual host behind the address, for each transport.
PATHS = {"redis": "/0", "amqp": "//"}


def url(scheme: str, server: socket.socket) -> str:
    return f"{scheme}://127.0.0.1:{server.getsockname()[1]}{PATHS[scheme]}"


def refusing(scheme: str) -> str:
    """Return an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return url(scheme, server)


@contextmanager
def silent(scheme: str) -> Iterator[str]:
    """An address that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield url(scheme, server)


@contextmanager
def resetting(scheme: str) -> Iterator[str]:
    """An address that accepts connections and resets each."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_reset_all, args=(server,), daemon=True)
        thread.start()
        try:
            yield url(scheme, server)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _reset_all(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        # Closing without lingering sends a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


class Proxy:
    """Stands before a broker, and falls silent when told to."""

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._ends: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def fall_silent(self) -> None:
        self._flows.clear()

    def speak_again(self) -> None:
        self._flows.set()

    def close(self) -> None:
        self._flows.set()
        for end in [self._server, *self._ends]:
            with suppress(OSError):  # gone already
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                front, _ = self._server.accept()
            except OSError:
                return
            back = socket.create_connection(self._behind)
            self._ends += [front, back]
            for source, target in ((front, back), (back, front)):
                thread = threading.Thread(target=self._pass_on, args=(source, target), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while block := source.recv(65536):
                self._flows.wait()
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # either end is gone
