"""``manage.py visualsnoop_reindex``."""

from __future__ import annotations

import io
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connections

from django_visualsnoop.client.exceptions import RateLimitedError, ServerError
from django_visualsnoop.collections import collections
from django_visualsnoop.management import reindex_workers
from django_visualsnoop.management.interrupts import Interrupted
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.celery import project_app
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync.reindex import MAX_SHOWN
from django_visualsnoop.sync.reindex_runs import process_chunks
from tests.collections.contract import image
from tests.fixtures import picture, product
from tests.testapp.models import Article, Document, Listing, Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])


class Ran:
    """What one call of the command printed, and the error that it ended with."""

    def __init__(self, *arguments: str) -> None:
        out, err = io.StringIO(), io.StringIO()
        self.error: CommandError | None = None
        try:
            call_command("visualsnoop_reindex", *arguments, stdout=out, stderr=err)
        except CommandError as error:
            self.error = error
        self.out, self.err = out.getvalue(), err.getvalue()


def unheard(number: int = 1) -> Product:
    with sync_paused():
        return product(number)


def broken(count: int = 1) -> list[Product]:
    rows = [unheard(1) for _ in range(count)]
    for row in rows:
        default_storage.delete(str(row.photo.name))
    return rows


def test_everything(recorder: RecorderCollection) -> None:
    row = unheard()
    with sync_paused():
        article = Article.objects.create(cover=picture(2), thumbnail=picture(3))
        Document.objects.create(code="d", scan=picture(4), stamp=picture(5))
        listing = Listing.objects.create(photo=picture(6))
    ran = Ran()
    assert ran.error is None
    assert set(recorder.images) == {
        f"testapp.product.photo:{row.pk}",
        f"testapp.article.cover:{article.pk}",
        f"testapp.article.thumbnail:{article.pk}",
        f"testapp.listing.photo:{listing.pk}",
    }
    assert set(collections["archive"].images) == {"scan/d"}  # type: ignore[attr-defined]
    assert "testapp.Product.photo → default: 1 rows in " in ran.out
    assert ran.out.count("1 in sync") == 5


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["testapp.Listing"], {"listing.photo"}),
        (["testapp.poster", "testapp.FeaturedProduct"], {"product.photo"}),
        (["--field", "cover"], {"article.cover"}),
        (["--collection", "archive"], {"scan"}),
        (["testapp", "--field", "photo"], {"listing.photo", "product.photo"}),
    ],
)
def test_a_selection(recorder: RecorderCollection, arguments: list[str], fields: set[str]) -> None:
    unheard()
    with sync_paused():
        Article.objects.create(cover=picture(2), thumbnail=picture(3))
        Document.objects.create(code="d", scan=picture(4))
        Listing.objects.create(photo=picture(6))
    assert Ran(*arguments).error is None
    held = {*recorder.images, *collections["archive"].images}  # type: ignore[attr-defined]
    assert {i.split(":")[0].split("/")[0].removeprefix("testapp.") for i in held} == fields


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shop.Product"], ["shop", "testapp.Product.photo (collection 'default')"]),
        (["testapp.Nothing"], ["Nothing", "testapp.Product.photo"]),
        (["testapp.Shop"], ["testapp.Shop has no indexed field", "testapp.Product.photo"]),
        (["--field", "foto"], ["No indexed field matches", "testapp.Product.photo"]),
        (["--collection", "atic"], ["'atic'", "'archive', 'default'"]),
        (["--resume-from", "3"], ["must name its field", "testapp.product.photo:KEY"]),
        (["testapp.Product", "--resume-from", "x"], ["'x' is not a valid key of testapp.Product"]),
        (["--since", "soon"], ["--since"]),
        (["--batch-size", "0"], ["--batch-size"]),
        (["--database", "third"], ["third", "'other'"]),
        (["--sync", "--async"], ["not allowed with"]),
        (["--pause", "--resume"], ["not allowed with"]),
        (["testapp.Product", "--status"], ["models cannot be used with --status"]),
        (["--missing", "--wait"], ["--missing cannot be used with --wait without --async"]),
        (["--pause", "--wait"], ["--wait cannot be used with --pause"]),
        (["--workers", "2"], ["--workers can only be used with --async or --resume"]),
        *(
            (["--verify", option], [f"{option.split('=')[0]} cannot be used with"])
            for option in (
                "--prune",
                "--missing",
                "--dry-run",
                "--async",
                "--since=2026-01-01",
                "--resume-from=1",
                "--max-failures=1",
            )
        ),
    ],
)
def test_arguments_that_make_no_sense(
    recorder: RecorderCollection, arguments: list[str], words: list[str]
) -> None:
    error = Ran(*arguments).error
    assert error is not None
    assert all(word in str(error) for word in words), str(error)


def test_failures_end_with_an_error_and_few_lines(recorder: RecorderCollection) -> None:
    rows = broken(MAX_SHOWN + 3)
    good = unheard(2)
    ran = Ran("testapp.Product")
    assert ran.error is not None
    assert ran.error.returncode == 1
    assert f"{len(rows)} images failed" in str(ran.error)
    assert list(recorder.images) == [f"testapp.product.photo:{good.pk}"]
    lines = ran.err.splitlines()
    assert lines[0].startswith(f"testapp.product.photo:{rows[0].pk}: The file is not in the stor")
    assert len(lines) == MAX_SHOWN + 1
    assert lines[-1].startswith("… and 3 more. To see them all, type: ")
    assert lines[-1].endswith("visualsnoop_status --failed --database default")


def test_it_stops_after_so_many_failures(recorder: RecorderCollection) -> None:
    rows = broken(5)
    ran = Ran("testapp.Product", "--batch-size", "1", "--max-failures", "2")
    assert "Stopped after 2 failures (--max-failures 2)" in str(ran.error)
    assert f"--resume-from={rows[1].pk}" in str(ran.error)
    assert SyncRecord.objects.count() == 2


def test_it_goes_on_where_it_says(recorder: RecorderCollection) -> None:
    rows = [unheard(n) for n in range(1, 4)]
    Ran("testapp.Product", "--resume-from", str(rows[0].pk))
    assert set(recorder.images) == {f"testapp.product.photo:{row.pk}" for row in rows[1:]}


def test_it_goes_on_within_several_fields(recorder: RecorderCollection) -> None:
    with sync_paused():
        articles = [
            Article.objects.create(cover=picture(n), thumbnail=picture(n)) for n in (1, 2, 3)
        ]
    by_key = sorted(Article.objects.values_list("pk", flat=True), key=lambda key: key.hex)
    assert len(articles) == len(by_key)
    ran = Ran("testapp.Article", "--resume-from", f"testapp.article.thumbnail:{by_key[1]}")
    assert ran.error is None
    # The covers come before the thumbnails, so they are done.
    assert not any(i.startswith("testapp.article.cover") for i in recorder.images)
    assert f"testapp.article.thumbnail:{by_key[1]}" not in recorder.images


def test_an_error_of_somebody_else_says_how_to_go_on(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard()

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("django_visualsnoop.sync.worker.process_records", crash)
    err = io.StringIO()
    with pytest.raises(RuntimeError, match="out of luck"):
        call_command("visualsnoop_reindex", "testapp.Product", stderr=err, stdout=io.StringIO())
    assert "Stopped by an error. To start again, type: " in err.getvalue()


def test_since_takes_a_day_or_a_moment(recorder: RecorderCollection) -> None:
    unheard()
    assert "1 in sync" in Ran("testapp.Product", "--since", "2026-01-01").out
    assert "1 skipped" in Ran("testapp.Product", "--since", "2026-01-01T10:00").out
    assert "1 in sync" in Ran("testapp.Product", "--since", "2999-01-01T10:00:00Z").out


def test_missing(recorder: RecorderCollection) -> None:
    unheard(1)
    Ran("testapp.Product")
    unheard(2)
    assert "1 in sync, 1 skipped" in Ran("testapp.Product", "--missing").out


def test_prune(recorder: RecorderCollection) -> None:
    for image_id in ("testapp.product.photo:99", "testapp.product.old:1", "somebody's", "7"):
        recorder.add_image(image(1), image_id)
    ran = Ran("--prune")
    assert set(recorder.images) == {"somebody's", "7"}
    assert "Pruned 2 images and 0 records without a row; 4 images listed." in ran.out
    assert "Skipped 2 images of other projects." in ran.out


def test_prune_with_a_selection_leaves_leftovers(recorder: RecorderCollection) -> None:
    for image_id in ("testapp.product.photo:99", "testapp.product.old:1"):
        recorder.add_image(image(1), image_id)
    ran = Ran("testapp.Product", "--prune")
    assert list(recorder.images) == ["testapp.product.old:1"]
    assert "Skipped 1 images of fields that no longer exist" in ran.out


def test_a_dry_run(recorder: RecorderCollection) -> None:
    unheard()
    recorder.add_image(image(1), "testapp.product.photo:99")
    ran = Ran("testapp.Product", "--prune", "--dry-run")
    assert "1 would be added or updated" in ran.out
    assert "Would prune 1 images" in ran.out
    assert list(recorder.images) == ["testapp.product.photo:99"]
    assert not SyncRecord.objects.exists()


def test_another_database(recorder: RecorderCollection) -> None:
    unheard()
    with sync_paused():
        row = Product.objects.using("other").create(photo=picture(2))
    Ran("testapp.Product", "--database", "other")
    assert recorder.images == {f"testapp.product.photo:{row.pk}": image(2)}


def test_verify(recorder: RecorderCollection) -> None:
    row = unheard()
    ran = Ran("--verify")
    assert ran.error is not None
    assert ran.error.returncode == 1
    assert "visualsnoop_reindex --missing --prune" in str(ran.error)
    assert "missing: 1 (the collection does not list" in ran.out
    assert f"    testapp.product.photo:{row.pk}\n" in ran.out
    assert not SyncRecord.objects.exists()
    Ran("--missing", "--prune")
    in_sync = Ran("--verify")
    assert in_sync.error is None
    assert "No drift." in in_sync.out


def test_verify_compares_indexes(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(recorder), "compare_indexes", lambda _: {"pgvector": 2})
    verified = Ran("--verify", "testapp.Product")
    assert "The index pgvector of default differs in 2 images." in verified.out
    assert "visualsnoop_move_index default --to pgvector" in str(verified.error)
    monkeypatch.setattr(type(recorder), "compare_indexes", lambda _: {"pgvector": 0})
    assert Ran("--verify", "testapp.Product").error is None


def test_verify_looks_into_a_collection_that_no_field_uses_any_more(
    recorder: RecorderCollection, settings: Any
) -> None:
    settings.VISUALSNOOP = {**settings.VISUALSNOOP, "old": settings.VISUALSNOOP["default"]}
    collections["old"].add_image(image(1), "testapp.product.photo:1")
    assert "extra: 1" in Ran("--verify", "--collection", "old").out
    assert Ran("--prune", "--collection", "old").error is None
    assert not collections["old"].images  # type: ignore[attr-defined]


def test_a_collection_that_does_not_answer(recorder: RecorderCollection) -> None:
    with recorder.failing(ServerError("busy")):
        assert "busy Nothing was changed." in str(Ran("--verify").error)
        unheard()
        pruned = Ran("testapp.Product", "--prune")
    assert "busy" in str(pruned.error)
    assert "--prune --resume-from=" in str(pruned.error)


# In a process of its own: signals, exit status, a terminal.

BACKEND = "tests.management.slow.SlowCollection"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with four products that no collection has heard of, on SQLite."""
    path = tmp_path_factory.mktemp("project")
    code = (
        "import django; django.setup();"
        "from django.core.management import call_command;"
        "call_command('migrate', run_syncdb=True, verbosity=0);"
        "from tests.fixtures import product;"
        "from django_visualsnoop.outbox.pausing import sync_paused;"
        "pause = sync_paused(); pause.__enter__();"
        "[product(n) for n in range(1, 5)]"
    )
    subprocess.run([sys.executable, "-c", code], env=environment(path), check=True)
    return path


def environment(path: Path) -> dict[str, str]:
    root = Path(__file__).parents[3]
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.management.slow_settings",
        "PYTHONPATH": str(root),
        "TEST_DATABASE": "sqlite",
        "TEST_SQLITE_FOLDER": str(path),
        "TEST_MEDIA_ROOT": str(path / "media"),
    }


COMMAND = [sys.executable, "-m", "django", "visualsnoop_reindex", "testapp.Product"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_a_signal_leaves_a_state_to_go_on_from(
    folder: Path, tmp_path: Path, number: int, status: int
) -> None:
    env = environment(folder) | {"SLOW_FOLDER": str(tmp_path), "SLOW_FROM": "3"}
    process = subprocess.Popen(
        [*COMMAND, "--batch-size", "1"], env=env, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (tmp_path / "hangs").exists():
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    typed = "python -m django visualsnoop_reindex testapp.Product --batch-size 1 --resume-from=2"
    assert err.rstrip().endswith(f"To continue, type: {typed}")
    assert sorted(path.name for path in tmp_path.glob("*.added")) == ["1.added", "2.added"]

    env["SLOW_FROM"] = "99"
    arguments = typed.split()[1:]
    subprocess.run([sys.executable, *arguments], env=env, check=True)
    assert len(list(tmp_path.glob("*.added"))) == 4


def test_a_bar_on_a_terminal(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("tqdm")
    import pty
    import termios

    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 100))
    env = environment(folder) | {"SLOW_FOLDER": str(tmp_path), "SLOW_FROM": "99"}
    process = subprocess.Popen(COMMAND, env=env, stdout=child, stderr=child)
    os.close(child)
    shown = b""
    with suppress(OSError):  # the other side is closed
        while block := os.read(parent, 4096):
            shown += block
    os.close(parent)
    assert process.wait() == 0, shown
    assert b"testapp.Product.photo: 100%" in shown
    assert b"4/4" in shown
    assert b" rows/s" in shown


# With workers; ``tests/filling`` has real ones.


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens of the messages to the workers."""
    tokens: list[str] = []

    def send(using: str, token: int, *, count: int = 1, **_: object) -> bool:
        tokens.extend([str(token)] * count)
        return True

    monkeypatch.setattr(dispatch, "dispatch_reindex", send)
    monkeypatch.setattr(reindex_workers, "find_queues", lambda _: {"celery"})
    monkeypatch.setattr(reindex_workers, "LOOK_EVERY", 0.0)
    return tokens


def work(token: str) -> None:
    process_chunks(int(token), using="default", seconds=math.inf)


def test_async_leaves_the_work_to_workers(recorder: RecorderCollection, sent: list[str]) -> None:
    unheard()
    ran = Ran("testapp.Product", "--async", "--workers", "3")
    assert ran.error is None
    assert "testapp.product.photo: running after 0 s, 0 of 1 rows (0 %).\n" in ran.out
    assert "0 of up to 3 worker processes are at work." in ran.out
    assert "visualsnoop_reindex --wait" in ran.out
    assert not recorder.images
    assert not SyncRecord.objects.exists()
    assert len(sent) == 3
    work(sent[0])
    assert len(recorder.images) == 1
    assert "finished after 0 s, 1 of 1 rows (100 %): 1 in sync." in Ran("--status").out


def test_it_says_if_no_worker_serves_the_queue(
    recorder: RecorderCollection, sent: list[str], settings: Any
) -> None:
    unheard()
    del settings.VISUALSNOOP_REINDEX_QUEUE
    assert (
        "No worker serves the queue 'visualsnoop_reindex'. To start one, type: "
        "celery -A PROJECT worker -Q visualsnoop_reindex"
    ) in Ran("testapp.Product", "--async").out
    settings.VISUALSNOOP_REINDEX_QUEUE = "celery"
    assert "No worker serves" not in Ran("--status").out


def test_messages_go_to_the_queue_of_the_setting(
    recorder: RecorderCollection, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues: list[object] = []
    task = project_app().tasks[dispatch.REINDEX]
    monkeypatch.setattr(
        task, "apply_async", lambda _, **options: queues.append(options.get("queue"))
    )
    dispatch.dispatch_reindex("default", 1)
    settings.VISUALSNOOP_REINDEX_QUEUE = "pictures"
    dispatch.dispatch_reindex("default", 1, count=2)
    del settings.VISUALSNOOP_REINDEX_QUEUE
    dispatch.dispatch_reindex("default", 1)
    assert queues == [None, "pictures", "pictures", "visualsnoop_reindex"]


def test_wait_shows_the_end(
    recorder: RecorderCollection, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken()
    unheard(2)
    Ran("testapp.Product", "--async")
    monkeypatch.setattr(
        connections["default"],
        "close_if_unusable_or_obsolete",
        lambda: work(sent[0]),
    )
    ran = Ran("--wait")
    assert ran.error is not None
    assert "1 images failed" in str(ran.error)
    assert "The file is not in the storage" in ran.err
    assert "2 of 2 rows (100 %): 1 in sync, 1 failed." in ran.out
    assert Ran("--wait").error is not None  # it tells again how it ended


def test_pause_resume_and_cancel(recorder: RecorderCollection, sent: list[str]) -> None:
    unheard()
    assert "Workers run no reindex" in str(Ran("--pause").error)
    assert "Workers run no reindex" in str(Ran("--wait").error)
    assert "Workers have run no reindex" in Ran("--status").out
    Ran("testapp.Product", "--async", "--missing")
    paused = Ran("--pause")
    assert ": paused after" in paused.out
    assert "visualsnoop_reindex --resume" in paused.out
    assert "paused after" in str(Ran("--wait").error)
    del sent[:]
    assert ": running after" in Ran("--resume", "--workers", "2").out
    assert len(sent) == 2
    other = Ran("testapp.Product", "--async")
    assert "not ended another reindex" in str(other.error)
    assert "--cancel" in str(other.error)
    assert ": cancelled after" in Ran("--cancel").out
    assert Ran("testapp.Product", "--async").error is None


def test_ctrl_c_ends_only_the_display(
    recorder: RecorderCollection, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard()

    def interrupt(_: float) -> None:
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr("time.sleep", interrupt)
    ran = Ran("testapp.Product", "--async", "--wait")
    assert ran.error is not None
    assert ran.error.returncode == 130
    assert "The workers go on. To follow them again, type: " in str(ran.error)


def test_a_broker_that_refuses(
    recorder: RecorderCollection, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard()
    answers = [False, False, True, *[False] * 9]
    monkeypatch.setattr(dispatch, "dispatch_reindex", lambda *_, **__: answers.pop(0))
    monkeypatch.setattr(reindex_workers, "TRY_EVERY", 0.0)
    assert Ran("testapp.Product", "--async").error is None  # it tries again
    assert "The broker did not accept the messages" in str(Ran("testapp.Product", "--async").error)
    assert len(answers) == 2


def test_eager_workers_are_done_at_once(recorder: RecorderCollection, settings: Any) -> None:
    unheard()
    app = project_app()
    app.conf.task_always_eager = True
    try:
        ran = Ran("testapp.Product", "--async", "--wait")
    finally:
        app.conf.task_always_eager = False
    assert ran.error is None
    assert len(recorder.images) == 1


def test_a_collection_that_asks_to_wait_is_waited_for(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard()
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    recorder.fail_with(RateLimitedError("slow down", retry_after=90))
    ran = Ran("testapp.Product")
    assert ran.error is None
    assert slept == [90]
    assert "The collection asks to wait 2 min: slow down" in ran.out
    assert len(recorder.images) == 1


def test_force_is_passed_on(recorder: RecorderCollection) -> None:
    unheard()
    Ran("testapp.Product")
    with recorder.failing(ServerError("busy")):
        Ran("testapp.Product", "--force")
    assert SyncRecord.objects.get().digest == ""
