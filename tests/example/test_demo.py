"""The whole way with real parts: save → worker process → copies found → served → stopped."""

from __future__ import annotations

import re
import shutil
import signal
import time
from contextlib import contextmanager
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

import pytest
import requests

from tests.example.conftest import Demo

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.example

#: Seconds after which what should have happened has not.
PATIENCE = 90.0


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, pictures: Path
) -> tuple[Demo, subprocess.CompletedProcess[str]]:
    """A demo that has run once, and how that went."""
    demo = Demo(tmp_path_factory.mktemp("demo"), pictures)
    return demo, demo.run()


@pytest.fixture
def demo(filled: tuple[Demo, object], tmp_path: Path) -> Demo:
    """A copy of the filled demo, to do with as one likes."""
    original = filled[0]
    shutil.copytree(original.data, tmp_path / "demo")
    return Demo(tmp_path / "demo", original.pictures)


def wait_for(condition: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)


def test_a_worker_process_indexes_and_every_edited_copy_is_found(
    filled: tuple[Demo, subprocess.CompletedProcess[str]],
) -> None:
    demo, done = filled
    assert done.returncode == 0, done.stdout
    assert "The worker has indexed 33 pictures." in done.stdout
    assert re.search(r"= Chelsea the cat, [a-z ]+ +[01]\.\d\d", done.stdout), done.stdout
    # It was the worker, through the broker, and not the process that saved.
    log = (demo.data / "worker.log").read_text()
    assert re.search(r"ForkPoolWorker-\d\] Task django_visualsnoop.sync_records\S+ succeeded", log)
    assert "Traceback" not in log
    assert demo.processes() == []
    # But for looks at fresh files, which come later.
    left = [path.read_text() for path in (demo.data / "broker").iterdir()]
    assert [one for one in left if "django_visualsnoop.look_again" not in one] == []


def test_what_is_not_active_is_not_indexed(filled: tuple[Demo, object]) -> None:
    demo, _ = filled
    code = """
from shop.models import Product
withdrawn = Product.objects.get(active=False)
print(any(withdrawn in group for group in Product.objects.duplicates()))
print(Product.objects.copies_of(withdrawn).exists())
"""
    assert demo.manage("shell", "--verbosity=0", "--command", code).split() == ["False", "True"]


def test_a_second_run_goes_on_from_what_is_there(demo: Demo) -> None:
    count = (
        "from archive.models import Photograph as A; from shop.models import Product as P; "
        "print(A.objects.count(), P.objects.count())"
    )
    before = demo.manage("shell", "--verbosity=0", "--command", count)
    done = demo.run()
    assert done.returncode == 0, done.stdout
    assert "filled already" in done.stdout
    assert demo.manage("shell", "--verbosity=0", "--command", count) == before


def test_a_copy_that_is_not_found_is_named_and_fails(demo: Demo) -> None:
    lose = """
from django_visualsnoop.collections import collections
from shop.models import Product
lost = Product.objects.filter(name__startswith="Brick wall, ").first()
collections["default"].delete_image(f"shop.product.photo:{lost.pk}")
print(lost)
"""
    lost = demo.manage("shell", "--verbosity=0", "--command", lose)
    done = demo.run()
    assert done.returncode == 1
    assert f"Not found as copies of their originals: {lost}" in done.stdout
    assert demo.processes() == []


def test_interrupted_half_way_it_leaves_nothing_running_and_can_go_on(
    pictures: Path, tmp_path: Path
) -> None:
    demo = Demo(tmp_path / "demo", pictures)
    process = demo.start("--no-serve")
    log = demo.data / "worker.log"
    wait_for(log.exists, lambda: "no worker was started")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, output
    assert demo.processes() == []
    done = demo.run()
    assert done.returncode == 0, done.stdout


@contextmanager
def served(demo: Demo) -> Iterator[str]:
    """Serve the demo, then end it as a service manager would."""
    with demo.start() as process:
        assert process.stdout is not None
        seen = ""
        try:
            for line in process.stdout:
                seen += line
                if line.startswith("Ctrl-C"):
                    break
            found = re.search(r"http://127\.0\.0\.1:\d+/", seen)
            assert found, seen
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                rest, _ = process.communicate(timeout=PATIENCE)
            except TimeoutExpired:
                process.kill()  # or leaving the block would wait for it
                raise
    assert process.returncode == 0, seen + rest
    assert "Stopped." in rest


def log_in(url: str) -> requests.Session:
    session = requests.Session()
    session.get(f"{url}admin/login/", timeout=PATIENCE)
    answer = post(session, f"{url}admin/login/?next=/admin/", username="demo", password="demo")
    assert answer.url == f"{url}admin/"
    return session


def post(
    session: requests.Session,
    url: str,
    files: dict[str, tuple[str, bytes]] | None = None,
    **data: str,
) -> requests.Response:
    data["csrfmiddlewaretoken"] = session.cookies["csrftoken"]
    answer = session.post(url, data=data, files=files, headers={"Referer": url}, timeout=PATIENCE)
    answer.raise_for_status()
    return answer


def test_it_serves_pages_and_stops_on_sigterm(demo: Demo) -> None:
    picture = (demo.pictures / "coffee.png").read_bytes()
    with served(demo) as url, log_in(url) as session:
        for path, expected in {
            "": "Chelsea the cat",
            "archive/": "Eileen Collins",
            "archive/copies/": "Eileen Collins, ",
            "admin/shop/product/": "Chelsea the cat",
        }.items():
            answer = session.get(f"{url}{path}", timeout=PATIENCE)
            assert answer.status_code == 200
            assert expected in answer.text
        session.get(f"{url}search/", timeout=PATIENCE)
        found = post(session, f"{url}search/", {"picture": ("seen.png", picture)})
        assert "Espresso on a wooden table" in found.text
        refused = post(session, f"{url}search/", {"picture": ("notes.txt", b"no picture")})
        assert "errorlist" in refused.text
        assert "Espresso" not in refused.text

        # What is saved in the admin is indexed by the worker that runs beside the server.
        session.get(f"{url}admin/shop/product/add/", timeout=PATIENCE)
        row = {"name": "A cup like another", "price": "12.00", "active": "on"}
        warned = post(
            session, f"{url}admin/shop/product/add/", {"photo": ("new.png", picture)}, **row
        ).text
        assert "This picture is there already" in warned
        answered = dict(re.findall(r'name="(photo-visualsnoop_\w+)" value="(.*?)"', warned))
        post(session, f"{url}admin/shop/product/add/", None, **row, **answered)
        coffee = re.search(r'href="(/prints/\d+/)">\s*<img src="\S+/coffee\.png"', found.text)
        assert coffee, found.text
        page = f"{url.rstrip('/')}{coffee[1]}"
        wait_for(
            lambda: "A cup like another" in session.get(page, timeout=PATIENCE).text,
            (demo.data / "worker.log").read_text,
        )

        second = demo.run()
        assert second.returncode == 1
        assert "Another demo is running" in second.stdout
    assert demo.processes() == []
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=PATIENCE)
