"""The child processes of the rig: web processes, Celery workers and sweepers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.collection_proxy import CollectionProxy, Faults

if TYPE_CHECKING:
    from tests.faults.brokers import Broker

ROOT = Path(__file__).parents[2]
#: Operations of a web process fail when a SQLite database is locked for longer, in seconds.
WEB_SQLITE_TIMEOUT = "2"


class Child:
    """A process in a group of its own, which can be killed and started again."""

    def __init__(self, name: str, arguments: list[str], environment: dict[str, str], log: Path):
        self.name = name
        self.log = log
        self.ended_by_itself = 0
        self._arguments, self._environment = arguments, environment
        self._lock = threading.Lock()
        self.start()

    def start(self) -> None:
        self._log_size = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *self._arguments],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self, words: bytes) -> bool:
        """Whether the process has written this since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._log_size)
            return words in file.read()

    def kill(self) -> None:
        """End the whole group at once, as the kernel does when memory runs out."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        with self._lock:
            self.kill()
            self.start()

    def supervise(self) -> None:
        """Start the process again if it has ended by itself, as an init system does."""
        with self._lock:
            if self.process.poll() is not None:
                self.ended_by_itself += 1
                self.kill()  # what is left of its group
                self.start()

    def children(self) -> list[int]:
        pid = self.process.pid
        try:
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return []
        return list(map(int, found.split()))


class Client(Child):
    """A worker or a sweeper, with its own way to the collection."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        environment: dict[str, str],
        log: Path,
        proxy: CollectionProxy,
        ready: bytes,
    ) -> None:
        self.proxy = proxy
        self._ready = ready
        super().__init__(name, arguments, {**environment, "RIG_ENDPOINT": proxy.endpoint}, log)

    @property
    def is_ready(self) -> bool:
        return self.said(self._ready)

    def wait_until_ready(self) -> None:
        for _ in range(1200):
            if self.is_ready:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"{self.name} did not start:\n{self.log.read_text()[-4000:]}")


class Crew:
    """All child processes.

    Args:
        folder: for logs and results.
        broker: that the web processes publish to.
        service: address of the collection's service.
        changes: to the environment of every child.
    """

    def __init__(
        self, folder: Path, broker: Broker, service: tuple[str, int], changes: dict[str, str]
    ) -> None:
        self.folder = folder
        self.broker = broker
        self.service = service
        self.faults = Faults()
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "TEST_BROKER_URL": broker.url,
            "TEST_QUEUE": broker.queue,
            "TEST_IS_WORKER": "1",
            **changes,
        }
        self.webs: list[Child] = []
        self.workers: list[Client] = []
        self.sweepers: list[Client] = []

    def start_web(self, operations: int, quiet: int, keys: int, seed: int) -> None:
        number = len(self.webs)
        numbers = map(str, (number, operations, quiet, keys, seed))
        self.webs.append(
            Child(
                f"web{number}",
                ["-m", "tests.faults.child", "web", str(self.folder), *numbers],
                {**self.environment, "RIG_SQLITE_TIMEOUT": WEB_SQLITE_TIMEOUT},
                self.folder / f"web{number}.log",
            )
        )

    def start_worker(self) -> None:
        name = f"worker{len(self.workers)}"
        arguments = [
            *("-m", "celery", "-A", "tests.celeryapp", "worker"),
            *("--concurrency", "2", "--loglevel", "INFO", "--hostname"),
            f"{name}-{self.broker.queue}@%h",
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
        self.workers.append(self._client(name, arguments, ready=b" ready."))

    def start_sweeper(self) -> None:
        name = f"sweeper{len(self.sweepers)}"
        self.sweepers.append(self._client(name, ["-m", "tests.faults.child", "sweeper"], ready=b""))

    def _client(self, name: str, arguments: list[str], *, ready: bytes) -> Client:
        proxy = CollectionProxy(self.service, self.faults)
        log = self.folder / f"{name}.log"
        return Client(name, arguments, self.environment, log, proxy, ready)

    @property
    def webs_are_done(self) -> bool:
        return all(web.process.poll() == 0 for web in self.webs)

    def check_webs(self) -> None:
        for web in self.webs:
            if web.process.poll():
                raise SystemExit(f"{web.name} ended:\n{web.log.read_text()[-4000:]}")

    def supervise(self) -> None:
        for client in (*self.workers, *self.sweepers):
            client.supervise()

    @property
    def ended_by_themselves(self) -> int:
        return sum(client.ended_by_itself for client in (*self.workers, *self.sweepers))

    def close(self) -> None:
        for child in (*self.webs, *self.workers, *self.sweepers):
            child.kill()
        for client in (*self.workers, *self.sweepers):
            client.proxy.close()
