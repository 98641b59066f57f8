"""What following a model adds to a save, beside the same model without, and as others do it.

    python -m benchmarks.save_overhead [--database sqlite|postgresql|mariadb] [--rounds 1000]

All models are saved in the same process and database. In each round every model saves one row,
in shuffled order; a ratio is that of a model's median to the plain model's, and its interval is
that of a bootstrap over the rounds. ``PlainAgain`` is the plain model once more: the noise.
Saves are in autocommit mode, as in a request without ATOMIC_REQUESTS.

With a Redis at ``--broker``, this app and the Celery way publish messages to it. Without one, this
app publishes nothing, and the Celery way is skipped. No worker processes the messages; the queue is
deleted at the end.
The search server is a process that answers each request at once. See ``save_ways``.
"""

from __future__ import annotations

import argparse
import gc
import io
import itertools
import os
import platform
import random
import socket
import statistics
import tempfile
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

#: Rows of each model, saved in turn.
ROWS = 10
#: Samples of the bootstrap.
SAMPLES = 400
#: Different pictures that are saved in turn.
PICTURES = 20
SIZE = (640, 480)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker", default="redis://127.0.0.1:6379/9")
    options = parser.parse_args()
    answers = _listens(options.broker)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.settings",
            TEST_DATABASE=options.database,
            TEST_SQLITE_FOLDER=folder,
            TEST_MEDIA_ROOT=f"{folder}/media",
            TEST_BROKER_URL=options.broker if answers else "memory://",
            TEST_QUEUE=f"benchmark-{uuid.uuid4().hex}",
        )
        measure(options.database, options.rounds, options.seed, broker=answers)


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
    except OSError:
        return False
    return True


def measure(database: str, rounds: int, seed: int, *, broker: bool) -> None:
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    from benchmarks import save_ways as ways
    from django_visualsnoop.outbox import dispatch
    from tests.celeryapp import app

    kinds = [ways.Plain, ways.PlainAgain, ways.Followed, ways.Hashed, ways.Searched]
    if broker:
        kinds.append(ways.Queued)
    else:
        dispatch._dispatcher._quiet_until = float("inf")
    dice = random.Random(seed)
    pictures = [_picture(dice) for _ in range(PICTURES)]
    made = setup_databases(verbosity=0, interactive=False, aliases=["default"])
    try:
        with connection.schema_editor() as editor:
            for kind in kinds:
                editor.create_model(kind)
        print(
            f"{rounds} saves of each model, JPEGs of "
            f"{SIZE[0]}x{SIZE[1]}, {statistics.mean(map(len, pictures)) / 1024:.0f} KiB, "
            f"seed {seed}; {_versions(database, broker=broker)}"
        )
        with ways.connected():
            compare = Comparison(kinds, itertools.cycle(pictures), rounds, dice)
            compare("without image change", compare.rename)
            compare("with a new image", compare.replace)
            compare("new row with image", compare.create)
    finally:
        teardown_databases(made, verbosity=0)
        if broker:
            with app.connection_for_write() as to_broker:
                app.amqp.queues[app.conf.task_default_queue](to_broker).delete()


class Comparison:
    def __init__(
        self, kinds: list[Any], pictures: itertools.cycle[bytes], rounds: int, dice: random.Random
    ) -> None:
        self._kinds = kinds
        self._pictures = pictures
        self._rounds = rounds
        self._dice = dice
        # Another value each time: SQLite does not write a row that stays the same.
        self._numbers = itertools.count()
        for kind in kinds:
            for _ in range(ROWS):
                kind.objects.create(photo=self._upload())

    def rename(self, row: Any) -> None:
        row.name = f"renamed {next(self._numbers)}"
        row.save()

    def replace(self, row: Any) -> None:
        row.photo = self._upload()
        row.save()

    def create(self, row: Any) -> None:
        type(row).objects.create(name="new", photo=self._upload())

    def __call__(self, title: str, save: Callable[[Any], None]) -> None:
        times: dict[Any, list[float]] = {kind: [] for kind in self._kinds}
        gc.collect()
        gc.disable()
        for number in range(self._rounds):
            if number % ROWS == 0:
                rows = {kind: list(kind.objects.order_by("pk")[:ROWS]) for kind in self._kinds}
                gc.collect()
            for kind in self._dice.sample(self._kinds, len(self._kinds)):
                row = rows[kind][number % ROWS]
                started = time.perf_counter()
                save(row)
                times[kind].append((time.perf_counter() - started) * 1e6)
        gc.enable()
        print(f"\n{title:<28}      us   ratio (95 % interval)    statements  writes")
        plain = times[self._kinds[0]]
        for kind in self._kinds:
            ratio = statistics.median(times[kind]) / statistics.median(plain)
            low, high = self._interval(times[kind], plain)
            statements, writes = self._count(kind, save)
            print(
                f"{kind.__name__:<28}{statistics.median(times[kind]):8.0f}"
                f"{ratio:8.3f} ({low:.3f} to {high:.3f})"
                f"{statements:10}{writes:10}"
            )

    def _interval(self, own: list[float], plain: list[float]) -> tuple[float, float]:
        ratios = []
        for _ in range(SAMPLES):
            rounds = self._dice.choices(range(self._rounds), k=self._rounds)
            ratios.append(
                statistics.median([own[number] for number in rounds])
                / statistics.median([plain[number] for number in rounds])
            )
        ratios.sort()
        return ratios[SAMPLES // 40], ratios[-SAMPLES // 40 - 1]

    def _count(self, kind: Any, save: Callable[[Any], None]) -> tuple[int, int]:
        """Return how many SQL statements a save is, with BEGIN and COMMIT, and how many write."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        row = kind.objects.order_by("pk")[0]
        with CaptureQueriesContext(connection) as queries:
            save(row)
        texts = [query["sql"] for query in queries]
        return len(texts), sum(text.startswith(("INSERT", "UPDATE", "DELETE")) for text in texts)

    def _upload(self) -> Any:
        from django.core.files.base import ContentFile

        return ContentFile(next(self._pictures), f"{next(self._numbers)}.jpg")


def _picture(dice: random.Random) -> bytes:
    """Draw a picture with enough in it to be no easy one."""
    from PIL import Image

    small = Image.frombytes("RGB", (64, 48), dice.randbytes(64 * 48 * 3))
    written = io.BytesIO()
    small.resize(SIZE, Image.Resampling.BICUBIC).save(written, "JPEG", quality=85)
    return written.getvalue()


def _versions(database: str, *, broker: bool) -> str:
    import celery
    import django
    import imagehash
    from django.db import connection

    return (
        f"{database} {'.'.join(map(str, connection.get_database_version()))}, "
        f"Python {platform.python_version()}, Django {django.__version__}, "
        f"ImageHash {imagehash.__version__}, Celery {celery.__version__} "
        f"{'with Redis' if broker else 'without a broker'}, {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
