"""Clients that change followed and plain rows of a stock project at once, and what came of it."""

from __future__ import annotations

import http.client
import json
import random
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.collections.contract import image
from tests.stock.project import (
    PATIENCE,
    QUICKSTART,
    CommandFailedError,
    Project,
    project_of,
    start_celery,
)

SHOP = Path(__file__).parent / "shop"
FOLLOWED, PLAIN = KINDS = ("followed", "plain")
#: Those of shop/views.py.
OPERATIONS = (
    *("save", "save_in_atomic", "get_or_create", "bulk_create", "save_other_field"),
    "save_again_and_delete",
    *("replace", "replace_by_file", "replace_in_atomic"),
    *("update", "update_other_field", "bulk_update"),
    *("delete", "queryset_delete", "delete_by_cascade", "search_by_row", "search_by_upload"),
)
#: Rows of each kind that are there before the clients come.
ROWS = 30
#: Pictures that are drawn if no folder of pictures is given.
DRAWN = 40

_CATEGORIES = """\
from shop.models import Category

Category.objects.bulk_create([Category(slug=f"category-{number}") for number in range(5)])
"""


@dataclass
class Tally:
    """What became of one operation on one kind of rows."""

    seconds: list[float] = field(default_factory=list)
    #: Of each error, the seconds that the requests took which it ended.
    errors: dict[str, list[float]] = field(default_factory=dict)
    #: One for each error.
    tracebacks: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return sum(map(len, self.errors.values()))

    @property
    def done(self) -> int:
        return len(self.seconds) - self.failed

    def quantile(self, share: float) -> float:
        """Return the seconds within which this share of the requests was answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Typed(NamedTuple):
    """A command that somebody typed."""

    command: str
    succeeded: bool
    said: str


@dataclass
class Outcome:
    """What a run has shown."""

    #: By kind and operation.
    tallies: dict[tuple[str, str], Tally]
    #: Seconds from the last answer until all is in sync; ``None`` if that did not come.
    seconds_to_sync: float | None
    #: What was typed meanwhile.
    typed: list[Typed]
    #: ``visualsnoop_reindex --verify``, typed at the end; it fails if it finds drift.
    verified: Typed
    #: The processes that ended during the run, with their exit codes.
    ended: dict[str, int]
    #: The last line of each traceback, of a service or a command.
    tracebacks: list[str]

    def worse(self) -> list[str]:
        """Describe the operations in which the followed model failed more often."""
        pairs = {
            name: (self.tallies[FOLLOWED, name], self.tallies[PLAIN, name]) for name in OPERATIONS
        }
        return [
            f"{name}: followed {followed.failed} of {len(followed.seconds)}, "
            f"plain {plain.failed} of {len(plain.seconds)}: {', '.join(followed.errors)}"
            for name, (followed, plain) in pairs.items()
            if followed.failed > plain.failed
        ]


def run_load(
    folder: Path,
    *,
    redis: str,
    seconds: float,
    database: dict[str, Any] | None = None,
    clients: int = 8,
    commands: tuple[str, ...] = ("visualsnoop_reindex",),
    pictures: Path | None = None,
    patience: float = PATIENCE,
) -> Outcome:
    """Make a project by the quickstart, with the shop of this package, and let clients change it.

    A worker of two processes, and beat if the quickstart starts it, follow meanwhile. A third into
    the run somebody types commands; nobody types anything after the last save.

    Args:
        folder: an empty one for the project, its logs and drawn pictures.
        redis: address of a Redis that nobody else uses.
        seconds: how long the clients begin new rounds; each ends its first in any case.
        database: ``DATABASES["default"]``; ``None`` leaves SQLite as startproject sets it up.
        clients: how many send requests at once.
        commands: what is typed meanwhile, one after another.
        pictures: a folder of pictures to upload; ``None`` draws some.
        patience: how long all may take to be in sync at the end, in seconds.

    Raises:
        CommandFailedError: a command of the quickstart failed.
    """
    pictures = pictures or _draw(folder / "pictures")
    made = project_of(
        QUICKSTART,
        folder,
        redis=redis,
        database=database,
        change=lambda project: _open_shop(project, pictures),
    )
    with made as project:
        project.run("python manage.py shell", script=_CATEGORIES)
        port = project.serve()
        start_celery(project)
        for _ in range(ROWS):
            for kind in KINDS:
                _send(port, kind, "save")
        with ThreadPoolExecutor(1) as somebody:
            typing = somebody.submit(_type_all, project, commands, seconds / 3)
            tallies = _press(port, clients, seconds)
            last_answer = time.monotonic()
        try:
            project.wait_until_in_sync(patience, lambda: _statuses(port))
            seconds_to_sync = time.monotonic() - last_answer
        except TimeoutError:
            seconds_to_sync = None
        ended = project.ended()
        typed = typing.result()
        verified = _type(project, "visualsnoop_reindex --verify")
        project.stop()
        return Outcome(tallies, seconds_to_sync, typed, verified, ended, project.tracebacks())


def _open_shop(project: Project, pictures: Path) -> None:
    project.environment["STOCK_PICTURES"] = str(pictures.resolve())
    for name in ("models.py", "urls.py", "views.py"):
        shutil.copy(SHOP / name, project.folder / "shop")
    (project.folder / "shop" / "admin.py").write_text("")  # its model is not there
    project.append(
        "mysite/urls.py", "from shop.urls import urlpatterns as shop\n\nurlpatterns += shop\n"
    )


def _draw(folder: Path) -> Path:
    folder.mkdir()
    for number in range(DRAWN):
        (folder / f"{number}.png").write_bytes(image(number))
    return folder


def _type_all(project: Project, commands: tuple[str, ...], delay: float) -> list[Typed]:
    time.sleep(delay)
    return [_type(project, command) for command in commands]


def _type(project: Project, command: str) -> Typed:
    try:
        return Typed(command, succeeded=True, said=project.run(f"python manage.py {command}"))
    except CommandFailedError as error:
        return Typed(command, succeeded=False, said=str(error))


def _press(port: int, clients: int, seconds: float) -> dict[tuple[str, str], Tally]:
    """Let clients send requests at once, and return what came of them."""
    choices = [(kind, name) for kind in KINDS for name in OPERATIONS]
    tallies = {choice: Tally() for choice in choices}
    lock = threading.Lock()
    end = time.monotonic() + seconds

    def send_rounds(seed: int) -> None:
        dice = random.Random(seed)
        first = True
        while first or time.monotonic() < end:
            for choice in dice.sample(choices, len(choices)):
                began = time.monotonic()
                error, traceback = _send(port, *choice)
                tally = tallies[choice]
                with lock:
                    took = time.monotonic() - began
                    tally.seconds.append(took)
                    if error:
                        tally.errors.setdefault(error, []).append(took)
                        tally.tracebacks.setdefault(error, traceback)
                if not first and time.monotonic() > end:
                    return
            first = False

    threads = [threading.Thread(target=send_rounds, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tallies


def _send(port: int, kind: str, operation: str) -> tuple[str, str]:
    """Have one operation done, and return the error and its traceback; empty if all went well."""
    try:
        status, body = _request(port, "POST", f"/do/{kind}/{operation}/")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error!r}", ""
    if status == 200:
        return "", ""
    try:
        said = json.loads(body)
    except ValueError:
        return f"answer {status}", body
    return said["error"], said["traceback"]


def _statuses(port: int) -> list[dict[str, Any]]:
    """Return what ``visualsnoop_status`` says of each field."""
    status, body = _request(port, "GET", "/statuses/")
    assert status == 200, body
    fields: list[dict[str, Any]] = json.loads(body)["fields"]
    return fields


def _request(port: int, method: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()
