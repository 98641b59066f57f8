"""A Milvus server for tests: one that is told, or Milvus Lite's in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: A server or cluster to test against, instead of Milvus Lite.
URI = os.environ.get("TEST_MILVUS_URI")
TOKEN = os.environ.get("TEST_MILVUS_TOKEN")


class LiteServer:
    """Milvus Lite's server over a socket: an emulation, for what a client sees, not for its speed.

    Args:
        folder: where it keeps its data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port: int = server.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on the same port and with the same data, and wait until it answers."""
        command = [sys.executable, "-m", "milvus_lite", "server", "--host", "127.0.0.1"]
        self._folder.mkdir(exist_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port), "--data-dir", str(self._folder / "data")],
                stdout=log,
                stderr=log,
            )
        for _ in range(600):
            if self._process.poll() is not None:
                break
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.1)
        self.kill()
        raise AssertionError((self._folder / "log").read_text())

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a power failure does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
