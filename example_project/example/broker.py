"""A Celery broker that is a folder: one file per message, nothing to install.

Kombu's own ``filesystem://`` may read a message that is still being written, and the worker
ends there. Here a message appears and disappears whole, by renaming. It suits one machine and
a demo; a message that a killed worker had fetched is lost, which ``sync_all`` makes up for.
"""

from __future__ import annotations

import time
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.transport import virtual
from kombu.utils.json import dumps, loads

#: Seconds that one call waits for a message at most.
LONGEST_LOOK = 0.5


class Channel(virtual.Channel):
    @property
    def folder(self) -> Path:
        client = self.connection.client
        assert client is not None
        return Path((client.transport_options or {})["folder"])

    def _waiting(self, queue: str) -> list[Path]:
        return sorted(
            path for path in self.folder.iterdir() if path.name.endswith(f".{queue}.json")
        )

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        path = self.folder / f"{time.time_ns()}-{uuid4().hex}.{queue}.json"
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(dumps(message), encoding="utf-8")
        unfinished.rename(path)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        for path in self._waiting(queue):
            taken = path.with_suffix(".taken")
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # another worker was faster
            message: dict[str, Any] = loads(taken.read_text(encoding="utf-8"))
            taken.unlink()
            return message
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self._waiting(queue))

    def _purge(self, queue: str) -> int:
        waiting = self._waiting(queue)
        for path in waiting:
            path.unlink(missing_ok=True)
        return len(waiting)


class Transport(virtual.Transport):
    Channel = Channel
    # Exchanges and queues declared in this process, by all of its channels.
    global_state = virtual.BrokerState()
    driver_type = driver_name = "folder"

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.state = self.global_state

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        # A worker finds out between two calls whether it was told to stop.
        if timeout:
            timeout = min(timeout, LONGEST_LOOK)
        super().drain_events(connection, timeout=timeout, **kwargs)

    def driver_version(self) -> str:
        return "1"
