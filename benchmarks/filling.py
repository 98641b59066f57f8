"""How fast workers fill a collection: two against one, slow storages, unchanged rows, memory.

    python -m benchmarks.filling [--parts describing unchanged …] [--rows 400] [--rounds 3]
        [--latency 0.05] [--describing SECONDS] [--workers 20] [--large 100000]
        [--broker redis://127.0.0.1:6379/9]

Generated pictures of 500 x 375 pixels are rows of a table on SQLite (or what TEST_DATABASE names).
Each part prints its figures and their ratio, measured in turn in one run:

* describing: seconds of the processor to describe the pictures alone, and to reindex them;
* unchanged: the first reindex, and a second one of the same files;
* latency: describing alone, and a reindex from a storage that answers after --latency seconds,
  with and without threads that read ahead, by the clock;
* workers: a reindex by one worker process and by two, by the clock, over a real broker;
* many: the same from the slow storage with a collection that describes nothing, by one worker
  process without threads and by --workers of them: what is left is waiting for the storage;
* save: the time until a new row is in sync, quiet and while a reindex runs, with a worker for
  either queue;
* bulk: the messages that a bulk_create() of 10,000 rows sends;
* memory: the most memory of a process that reindexes 10,000 rows, and of one that reindexes
  --large rows, into a collection that describes nothing.

With ``--describing SECONDS``, the parts latency and workers wait so long for each picture in place
of describing it. That shows how reading and describing overlap on a machine whose cores are busy.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import django
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 17
SIDES = 500, 375
#: Records of a normal queue whose way is measured.
SAVES = 40
SETTINGS = "benchmarks.filling_settings"


def generate(number: int, sides: tuple[int, int] = SIDES) -> bytes:
    """Return a JPEG with some details."""
    dice = np.random.default_rng((SEED, number))
    coarse = dice.integers(0, 255, (sides[1] // 15, sides[0] // 15, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, sides, interpolation=cv2.INTER_CUBIC)
    picture = cv2.add(picture, dice.integers(0, 30, picture.shape, dtype=np.uint8))
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])


def fill_table(rows: int, *, one_file: bool = False) -> None:
    """Create rows that no collection has heard of."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from django_visualsnoop.outbox.pausing import sync_paused
    from tests.testapp.models import Product

    name = default_storage.save("one.jpg", ContentFile(generate(0, (64, 48)))) if one_file else ""
    with sync_paused():
        for start in range(0, rows, 5000):
            numbers = range(start, min(rows, start + 5000))
            Product.objects.bulk_create(
                Product(photo=name or ContentFile(generate(number), f"{number}.jpg"))
                for number in numbers
            )


def empty_collection() -> None:
    from django_visualsnoop.engine.models import IndexedImage
    from django_visualsnoop.models import SyncRecord

    IndexedImage.objects.all().delete()
    SyncRecord.objects.all().delete()


def reindex(*arguments: str) -> None:
    from django.core.management import call_command

    call_command("visualsnoop_reindex", "testapp.Product", *arguments, stdout=io.StringIO())


def describe_alone() -> None:
    """Read and describe every picture, and store nothing."""
    from django_visualsnoop.collections import collections
    from tests.testapp.models import Product

    collection: Any = collections["default"]
    for row in Product.objects.order_by("pk").iterator():
        path = Path(row.photo.path)
        collection._describe(path.read_bytes(), str(row.pk))


def cost_of(work: Callable[[], object], clock: Callable[[], float]) -> float:
    began = clock()
    work()
    return clock() - began


def fresh(work: Callable[..., object], *arguments: str) -> Callable[[], object]:
    def run() -> None:
        work(*arguments)

    empty_collection()
    return run


def say(what: str, figures: dict[str, float], ratio: float) -> None:
    told = ", ".join(f"{name} {value:,.2f}" for name, value in figures.items())
    print(f"{what}: {told}; ratio {ratio:.3f}", flush=True)


def measure_describing(options: argparse.Namespace) -> None:
    fill_table(options.rows)
    alone, whole = [], []
    for _ in range(options.rounds):
        alone.append(cost_of(describe_alone, time.process_time))
        whole.append(cost_of(fresh(reindex), time.process_time))
    figures = {"describing s": min(alone), "reindex s": min(whole)}
    say("describing", figures, min(alone) / min(whole))


def measure_unchanged(options: argparse.Namespace) -> None:
    fill_table(options.rows)
    first, second = [], []
    for _ in range(options.rounds):
        first.append(cost_of(fresh(reindex), time.process_time))
        second.append(cost_of(reindex, time.process_time))
    say("unchanged", {"first s": min(first), "again s": min(second)}, min(second) / min(first))


def measure_latency(options: argparse.Namespace) -> None:
    from django.test import override_settings

    fill_table(options.rows)
    simulate(options)
    alone, threads, plain = [], [], []
    for _ in range(options.rounds):
        if options.describing:
            alone.append(options.rows * options.describing)
        else:
            alone.append(cost_of(describe_alone, time.perf_counter))
        os.environ["FILLING_LATENCY"] = str(options.latency)
        threads.append(cost_of(fresh(reindex), time.perf_counter))
        with override_settings(VISUALSNOOP_READ_THREADS=0):
            plain.append(cost_of(fresh(reindex), time.perf_counter))
        os.environ["FILLING_LATENCY"] = "0"
    figures = {"describing s": min(alone), "read ahead s": min(threads), "not s": min(plain)}
    say("latency", figures, min(alone) / min(threads))


def by_workers(options: argparse.Namespace, count: int) -> float:
    """Return the seconds that so many worker processes take, without their start."""
    from django_visualsnoop.models import ReindexRun
    from tests.workers import celery_app, wait_for, worker

    empty_collection()
    with (
        celery_app(options.broker) as app,
        worker(app, options.folder, concurrency=count, settings_module=SETTINGS),
    ):
        reindex("--async", "--batch-size", "20")
        wait_for(lambda: ReindexRun.objects.get().state == "finished")
        run = ReindexRun.objects.get()
    assert run.ended_at is not None
    return (run.ended_at - run.started_at).total_seconds()


def simulate(options: argparse.Namespace) -> None:
    """Let the collection wait in place of describing, if the options say so."""
    from django.conf import settings
    from django.test.signals import setting_changed

    if options.describing:
        os.environ |= {"FILLING_BACKEND": NULL, "FILLING_DESCRIBING": str(options.describing)}
        settings.VISUALSNOOP = {"default": {"BACKEND": NULL}, "archive": {"BACKEND": NULL}}
        setting_changed.send(None, setting="VISUALSNOOP", value=None, enter=True)


def measure_workers(options: argparse.Namespace) -> None:
    fill_table(options.rows)
    simulate(options)
    one, two = [], []
    for _ in range(options.rounds):
        one.append(by_workers(options, 1))
        two.append(by_workers(options, 2))
    say("workers", {"one s": min(one), "two s": min(two)}, min(one) / min(two))


def measure_many(options: argparse.Namespace) -> None:
    fill_table(options.rows, one_file=True)
    os.environ |= {
        "FILLING_LATENCY": str(options.latency),
        "FILLING_BACKEND": NULL,
        "FILLING_THREADS": "0",
    }
    one = by_workers(options, 1)
    many = by_workers(options, options.workers)
    say("many", {"one s": one, f"{options.workers} s": many}, one / many)


def measure_save(options: argparse.Namespace) -> None:
    from django.conf import settings
    from django.core.files.base import ContentFile

    from django_visualsnoop.models import ReindexRun, SyncRecord
    from tests.testapp.models import Product
    from tests.workers import celery_app, worker

    fill_table(options.rows)
    settings.VISUALSNOOP_REINDEX_QUEUE = os.environ["FILLING_QUEUE"] = f"reindex-{uuid.uuid4()}"

    def save(number: int) -> float:
        began = time.perf_counter()
        row = Product.objects.create(photo=ContentFile(generate(number), f"new-{number}.jpg"))
        in_sync = SyncRecord.in_state(SyncRecord.State.IN_SYNC)
        while not SyncRecord.objects.filter(in_sync, object_id=str(row.pk)).exists():
            time.sleep(0.002)
        return time.perf_counter() - began

    with celery_app(options.broker) as app:
        normal = app.conf.task_default_queue
        with worker(app, options.folder, concurrency=1, settings_module=SETTINGS):
            # Both workers and this process know the queue of the reindex by now.
            app.conf.task_default_queue = os.environ["FILLING_QUEUE"]
            with worker(app, options.folder, concurrency=1, settings_module=SETTINGS):
                app.conf.task_default_queue = normal
                quiet = [save(10**6 + n) for n in range(SAVES)]
                reindex("--async", "--workers", "1")
                busy: list[float] = []
                while len(busy) < SAVES and ReindexRun.objects.get().state == "running":
                    busy.append(save(2 * 10**6 + len(busy)))
                reindex_cancel()
                app.conf.task_default_queue = os.environ["FILLING_QUEUE"]
            app.conf.task_default_queue = normal
    p50, p99 = (np.percentile(quiet, [50, 99]), np.percentile(busy, [50, 99]))
    figures = {
        "quiet p50 s": p50[0],
        "p99 s": p50[1],
        f"busy ({len(busy)}) p50 s": p99[0],
        "p99 s ": p99[1],
    }
    say("save", figures, p99[1] / p50[1])


def reindex_cancel() -> None:
    from django.core.management import CommandError, call_command

    with suppress(CommandError):  # it has ended
        call_command("visualsnoop_reindex", "--cancel", stdout=io.StringIO())


def measure_bulk(options: argparse.Namespace) -> None:
    from tests.filling.messages import counted
    from tests.testapp.models import Product
    from tests.workers import celery_app

    with (
        celery_app(options.broker) as app,
        counted(options.broker, app.conf.task_default_queue) as messages,
    ):
        Product.objects.bulk_create(Product(photo="one.jpg") for _ in range(10_000))
        with app.connection_for_write() as connection:
            app.amqp.queues[app.conf.task_default_queue](connection).delete()
    print(f"bulk: {messages.sent} messages for 10,000 rows", flush=True)


def measure_memory(options: argparse.Namespace) -> None:
    os.environ["FILLING_BACKEND"] = NULL
    most = []
    for rows in (10_000, options.large):
        clear()
        fill_table(rows, one_file=True)
        found = {}
        for part in MEMORY:
            empty_collection()
            command = [sys.executable, "-m", "benchmarks.filling", "--parts", part]
            environment = {**os.environ, "TEST_IS_WORKER": "1"}
            done = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            found[part] = float(done.stdout.splitlines()[-1])
        most.append(found)
    small, large = most
    for name in MEMORY:
        print(
            f"{name}: 10,000 rows {small[name]:.1f} MB, {options.large:,} rows "
            f"{large[name]:.1f} MB; {large[name] - small[name]:+.1f} MB",
            flush=True,
        )


def work_as_worker() -> None:
    """Process every chunk, as the task of a worker does."""
    from django_visualsnoop.outbox.reindex_run import find_run
    from django_visualsnoop.sync.reindex_runs import process_chunks

    reindex("--async")
    run = find_run("default")
    assert run is not None
    process_chunks(run.token, using="default", seconds=math.inf)


def clear() -> None:
    from django_visualsnoop.models import ReindexRun
    from tests.testapp.models import Product

    empty_collection()
    Product.objects.all()._raw_delete("default")
    ReindexRun.objects.all().delete()


NULL = "benchmarks.filling_parts.NullCollection"
#: Each in a process of its own.
MEMORY: dict[str, Callable[[], object]] = {
    "memory of the command": lambda: reindex(),
    "memory of a worker": work_as_worker,
}
PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "describing": measure_describing,
    "unchanged": measure_unchanged,
    "latency": measure_latency,
    "workers": measure_workers,
    "many": measure_many,
    "save": measure_save,
    "bulk": measure_bulk,
    "memory": measure_memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--describing", type=float, default=0.0)
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--broker", default="redis://127.0.0.1:6379/9")
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, *MEMORY], default=list(PARTS))
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    if options.parts[0] in MEMORY:
        django.setup()
        MEMORY[options.parts[0]]()
        # Of this process alone: the peak of getrusage() includes the process that started it.
        status = Path("/proc/self/status").read_text()
        print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
        return
    cv2.setNumThreads(1)
    for part in options.parts:
        # A process of its own, so that no part measures what another has left in memory.
        if len(options.parts) > 1:
            arguments = [word for word in sys.argv[1:] if word not in ("--parts", *PARTS)]
            command = [sys.executable, "-m", "benchmarks.filling", *arguments, "--parts", part]
            subprocess.run(command, check=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            options.folder = Path(folder)
            os.environ |= {"TEST_SQLITE_FOLDER": folder, "TEST_MEDIA_ROOT": f"{folder}/media"}
            measure(part, options)


def measure(part: str, options: argparse.Namespace) -> None:
    django.setup()
    from django.db import connections

    made = [(connections[alias], connections[alias].settings_dict["NAME"]) for alias in connections]
    for connection, _ in made:
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
    print(
        f"{part}: {options.rows} rows of {SIDES[0]} x {SIDES[1]} pixels, seed {SEED}; Python "
        f"{platform.python_version()}, Django {django.__version__}, "
        f"{made[0][0].display_name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    try:
        PARTS[part](options)
    finally:
        for connection, name in made:
            connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
