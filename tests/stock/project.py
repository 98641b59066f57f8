"""Projects as ``django-admin startproject`` makes them, with what the documentation adds.

Everything is real: the files, the processes, the database and Redis. Nothing is set that the
documentation does not set, but for the address of Redis and, on PostgreSQL and MariaDB, of the
database.
"""

from __future__ import annotations

import json
import os
import pprint
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.docs.blocks import blocks_of
from tests.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "docs" / "quickstart.rst"
#: How long a project may take over one step, in seconds, on a busy machine.
PATIENCE = 180.0

#: Commands of a page that the tests do otherwise: they have an environment of their own.
_SKIPPED = r"(python -m )?pip |python -m venv |\. |cd "
#: What somebody types who is asked by ``createsuperuser``.
USER, PASSWORD = "ann", "a long secret"

#: The environment of the test runner that a project must not see.
_OURS = ("CELERY_", "COV_", "COVERAGE_", "DJANGO_", "PYTEST_", "TEST_")


@dataclass(frozen=True)
class Instructions:
    """What a page tells a newcomer to write, and what to type, in its order."""

    #: Relative path → text. Settings and URLs are added to the file that is there.
    files: dict[str, str]
    #: Commands that make the project and its app.
    beginning: list[str]
    #: Commands that end.
    commands: list[str]
    #: Commands that go on: Celery's, and the development server.
    services: list[str]
    #: Code for ``manage.py shell``, by its caption.
    scripts: dict[str, str]


def read_instructions(page: Path) -> Instructions:
    """Read the code blocks of a page that makes ``mysite`` with the app ``shop``."""
    found = Instructions({}, [], [], [], {})
    for block in blocks_of(page):
        if block.language == "console":
            for line in _commands(block.code):
                if re.search(r"\bstart(project|app)\b", line):
                    found.beginning.append(line)
                else:
                    (found.services if _goes_on(line) else found.commands).append(line)
        elif "/" in block.caption:
            earlier = found.files.get(block.caption, "")
            found.files[block.caption] = f"{earlier}\n{block.code}".lstrip("\n")
        elif block.caption:
            found.scripts[block.caption] = block.code
    return found


def _commands(code: str) -> Iterator[str]:
    """Yield what stands after each prompt, but for installing and for entering a folder."""
    for line in code.replace("\\\n", " ").splitlines():
        prompt, _, command = line.partition("$ ")
        command = re.sub(r"\s+#.*", "", command).strip()
        if not prompt.strip() and command and not re.match(_SKIPPED, command):
            yield command


def _goes_on(command: str) -> bool:
    return bool(re.match(r"celery\b.*\b(worker|beat)\b|python manage.py runserver", command))


def with_two_processes(command: str) -> str:
    """Let a worker have two processes, whatever the machine has."""
    is_worker = re.search(r"\bworker\b", command)
    return f"{command} -c 2" if is_worker and not re.search(r" (-c|--conc)", command) else command


class CommandFailedError(AssertionError):
    """A command of a project ended with an error."""


@dataclass
class Project:
    """A project in a folder, and the processes that were started in it."""

    folder: Path
    environment: dict[str, str]
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, command: str, *, script: str | None = None) -> str:
        """Run a command that ends, and return what it printed; its errors go to a log.

        Args:
            command: as one types it.
            script: its standard input.

        Raises:
            CommandFailedError: it ended with an error; both its outputs are in the message.
        """
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            input=script or "",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        with self.log("commands").open("a") as log:
            log.write(f"$ {command}\n{done.stderr}")
        if done.returncode != 0:
            raise CommandFailedError(f"$ {command}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def start(self, name: str, command: str, *, fds: tuple[int, ...] = ()) -> None:
        """Start a command that goes on, in a process group of its own."""
        with self.log(name).open("wb") as output:
            self._running[name] = subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=fds,
                start_new_session=True,
            )

    def serve(self) -> int:
        """Start gunicorn with two workers of four threads, and return its port."""
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
            fd = listening.fileno()
            # Requests wait from now on until a worker takes them.
            command = f"gunicorn mysite.wsgi --bind fd://{fd} --workers 2 --threads 4"
            self.start("web", command, fds=(fd,))
            port: int = listening.getsockname()[1]
            return port

    def ended(self) -> dict[str, int]:
        """Return the exit codes of started commands that have ended, which none should have."""
        codes = {name: process.poll() for name, process in self._running.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def stop(self, *names: str) -> None:
        """End started commands, all if none is named, and whatever they have started."""
        processes = [self._running.pop(name) for name in names or list(self._running)]
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

    def log(self, name: str) -> Path:
        return self.folder.parent / f"{name}.log"

    def tracebacks(self) -> list[str]:
        """Return the last line of each traceback in the logs, with the name of the log."""
        return [
            f"{log.stem}: {error}"
            for log in sorted(self.folder.parent.glob("*.log"))
            for error in tracebacks(log.read_text(errors="replace"))
        ]

    def append(self, path: str, text: str) -> None:
        with (self.folder / path).open("a") as file:
            file.write(f"\n{text}")

    def statuses(self) -> list[dict[str, Any]]:
        """Return what ``visualsnoop_status`` says of each field."""
        told = json.loads(self.run("python manage.py visualsnoop_status --json"))
        fields: list[dict[str, Any]] = told["fields"]
        return fields

    def wait_until_in_sync(
        self,
        patience: float = PATIENCE,
        statuses: Callable[[], list[dict[str, Any]]] | None = None,
    ) -> None:
        """Wait until every picture of every field is in sync.

        Nothing is done for it: workers and beat must get there by themselves.

        Args:
            patience: how long to wait, in seconds.
            statuses: another way to ask than the command.

        Raises:
            TimeoutError: they did not; the message has the last status.
        """
        give_up = time.monotonic() + patience
        while True:
            found = (statuses or self.statuses)()
            if found and all(map(_is_in_sync, found)):
                return
            if time.monotonic() > give_up:
                raise TimeoutError(f"Not in sync after {patience:g} s: {pprint.pformat(found)}")
            time.sleep(0.5)


def _is_in_sync(status: dict[str, Any]) -> bool:
    waits = status["waiting"] + status["retrying"] + status["failed"]
    return bool(status["rows"] == status["in_sync"] and waits == 0)


def tracebacks(log: str) -> list[str]:
    """Return the last line of each traceback; one with causes counts once."""
    found: list[str] = []
    lines = iter(log.splitlines())
    chained = False
    for line in lines:
        if line.startswith(("The above exception was", "During handling of the above")):
            chained = True
        elif line.startswith("Traceback (most recent call last)"):
            error = next((rest for rest in lines if rest and not rest[0].isspace()), "cut off")
            if chained:
                found.pop()
            found.append(error)
            chained = False
    return found


@contextmanager
def project_of(
    page: Path,
    folder: Path,
    *,
    redis: str,
    database: dict[str, Any] | None = None,
    change: Callable[[Project], None] = lambda project: None,
) -> Iterator[Project]:
    """Make a project by a page's instructions and run its commands; Celery is not started.

    Args:
        page: a page of the documentation.
        folder: an empty one; the project and its logs come into it.
        redis: address to put in the place of the one that the page names.
        database: ``DATABASES["default"]``; ``None`` leaves SQLite as startproject sets it up.
        change: called before the page's commands are run.
    """
    told = read_instructions(page)
    project = Project(folder / "mysite", _environment())
    begin, *others = told.beginning
    subprocess.run(shlex.split(begin), cwd=folder, env=project.environment, check=True)
    for command in others:
        project.run(command)
    for path, text in told.files.items():
        if path.endswith(("settings.py", "urls.py")):
            project.append(path, _with_redis(text, redis) if "settings" in path else text)
        else:
            (project.folder / path).write_text(text)
    if database is not None:
        project.append("mysite/settings.py", f"DATABASES = {pprint.pformat({'default': database})}")
    change(project)
    with _database(project) if database is not None else nullcontext():
        try:
            for command in told.commands:
                project.run(_unasked(command))
            yield project
        finally:
            project.stop()


def start_celery(project: Project, page: Path = QUICKSTART) -> None:
    """Start what a page starts to do the work: a worker of two processes, and perhaps beat."""
    for number, command in enumerate(read_instructions(page).services):
        if command.startswith("celery"):
            project.start(f"celery{number}", with_two_processes(command))


def _unasked(command: str) -> str:
    """Let ``createsuperuser`` take the answers from its environment."""
    options = f" --noinput --username {USER} --email ann@example.com"
    return command + options if command.endswith("createsuperuser") else command


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {
        **inherited,
        "PATH": programs,
        "PYTHONPATH": str(ROOT),
        # For the programs of this folder that run inside the project.
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }


def _with_redis(settings: str, url: str) -> str:
    changed, count = re.subn(r"redis://[^\"']+", url, settings)
    assert count == 1, f"The settings name {count} addresses of Redis."
    return changed


@contextmanager
def _database(project: Project) -> Iterator[None]:
    """Create the database that a project's settings name, and drop it at the end."""
    project.run("python -m tests.stock.database CREATE")
    try:
        yield
    finally:
        project.run("python -m tests.stock.database DROP")


def database_of_its_own(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings for a new database on the same server."""
    return {**settings, "NAME": f"{PREFIX}_stock_{uuid.uuid4().hex[:8]}"}


@contextmanager
def redis_server(program: str, folder: Path) -> Iterator[str]:
    """Run a Redis that nobody else uses, and give its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            _wait_until_it_listens(port, process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        assert process.poll() is None, "Redis ended"
        assert time.monotonic() < give_up, "Redis does not listen"
        time.sleep(0.05)
