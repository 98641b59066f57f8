"""Brokers that can be stopped, silenced, and made to drop their connections."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.faults.tcp_proxy import TCPProxy
from tests.services import PROGRAMS, SERVICES

if TYPE_CHECKING:
    from pathlib import Path


class Broker(ABC):
    """One broker with one queue.

    ``url`` is the address for Celery; each fault has a method that ends it.
    """

    url: str

    def __init__(self) -> None:
        self.queue = f"rig-{uuid.uuid4().hex}"

    @abstractmethod
    def stop(self) -> None:
        """Refuse connections, and end those there are."""

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def fall_silent(self) -> None:
        """Accept connections, and say nothing."""

    @abstractmethod
    def speak(self) -> None: ...

    @abstractmethod
    def reset(self) -> None:
        """End all connections."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing behind."""


class Redis(Broker):
    """A Redis server that the rig starts, kills and suspends; it loses messages when killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        program = shutil.which(PROGRAMS["redis-server"])
        if program is None:
            raise SystemExit("The rig starts its own Redis; install redis-server.")
        self._process = subprocess.Popen(
            [
                *(program, "--port", str(self._port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _wait_for_port(self._port)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def fall_silent(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def speak(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def reset(self) -> None:
        import redis

        with redis.Redis(port=self._port, socket_timeout=5) as client:
            client.client_kill_filter(_type="normal", skipme=True)

    def close(self) -> None:
        self.stop()


class RabbitMQ(Broker):
    """An existing server behind a proxy. It keeps its messages."""

    def __init__(self) -> None:
        super().__init__()
        parts = urlsplit(SERVICES["rabbitmq"])
        self._direct = SERVICES["rabbitmq"]
        self._proxy = TCPProxy((parts.hostname or "127.0.0.1", parts.port or 5672))
        address = f"{parts.username}:{parts.password}@127.0.0.1:{self._proxy.port}"
        self.url = f"amqp://{address}{parts.path}"

    def start(self) -> None:
        self._proxy.accept()

    def stop(self) -> None:
        self._proxy.refuse()

    def fall_silent(self) -> None:
        self._proxy.fall_silent()

    def speak(self) -> None:
        self._proxy.speak()

    def reset(self) -> None:
        self._proxy.reset()

    def close(self) -> None:
        import kombu

        self._proxy.close()
        with kombu.Connection(self._direct) as connection:
            kombu.Queue(self.queue)(connection.default_channel).delete()


def _wait_for_port(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"Nothing answers on port {port}.")
