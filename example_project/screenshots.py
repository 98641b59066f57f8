"""``make screenshots``: the pictures of the documentation, taken anew of the demo and the server.

Chromium shows the pages; ``CHROMIUM`` names another program than the one in the path.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

from children import run, running
from installing import CHECKOUT, install_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

WIDTH = 1280
#: Colours of each picture, so that it stays small.
COLOURS = 200
#: A group that says what was done to each copy.
GROUP = "Coins from Pompeii"
#: Seconds that a server may take to answer for the first time.
SERVER_START = 60.0
EMAIL, PASSWORD = "ann@example.com", "only for these pictures"


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder; downloaded if not given")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "images")
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        data = Path(name)
        pictures = arguments.pictures or install_pictures(data / "pictures", sys.executable)
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        with demo(data, pictures.resolve()) as url:
            take_admin(browser, url, out)
        with server(data) as url:
            take_server(browser, url, sorted((data / "media").rglob("*.jpg")), out)
        browser.close()


def take_admin(browser: Browser, url: str, out: Path) -> None:
    """Take the pages of the demo's admin."""
    page = open_page(browser, url)
    page.goto("/admin/login/?next=/admin/shop/product/duplicates/")
    page.fill("#id_username", "demo")
    page.fill("#id_password", "demo")
    page.click("[type=submit]")
    save(page, out / "duplicates.png", height=900)
    group = page.locator("section", has=page.get_by_role("link", name=GROUP, exact=True))
    group.get_by_role("link", name="Group").click()
    save(page, out / "review.png", height=980)
    page.goto("/admin/shop/product/?q=Coins")
    page.get_by_role("link", name=GROUP, exact=True).click()
    page.get_by_role("link", name="Similar").click()
    save(page, out / "similar.png", height=900)


def take_server(browser: Browser, url: str, pictures: list[Path], out: Path) -> None:
    """Take the page of duplicates of the server."""
    page = open_page(browser, url)
    page.goto("/")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Create a collection").click()
    page.get_by_label("Name").fill("Shop")
    page.get_by_role("button", name="Create collection").click()
    page.set_input_files("#id_pictures", pictures)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("status").wait_for()
    page.get_by_role("link", name="Duplicates").click()
    save(page, out / "server_duplicates.png", height=900)


def open_page(browser: Browser, url: str) -> Page:
    context = browser.new_context(
        base_url=url, color_scheme="light", viewport={"width": WIDTH, "height": 900}
    )
    # The admin without its list of models, which leaves more room for the pictures.
    context.add_init_script("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
    page = context.new_page()
    page.set_default_timeout(60_000)
    return page


def save(page: Page, path: Path, *, height: int) -> None:
    """Save what a page shows, down to a height in pixels, with few colours."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.wait_for_load_state("networkidle")
    page.wait_for_function("[...document.images].every(one => one.complete)")
    shown = Image.open(BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    few = shown.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


@contextmanager
def demo(data: Path, pictures: Path) -> Iterator[str]:
    """Fill the demo, index its pictures, find their duplicates, and serve it."""
    env = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "DJANGO_SETTINGS_MODULE": "example.settings",
        "EXAMPLE_DATA": str(data),
        "CELERY_BROKER_URL": "memory://",
    }
    for command in (
        ["migrate", "--verbosity=0"],
        ["demo_fill", str(pictures)],
        ["visualsnoop_sync"],
        ["visualsnoop_duplicates", "--review", "shop.Product"],
    ):
        run(sys.executable, "manage.py", *command, env=env)
    port = find_port()
    serve = (sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
    with running(*serve, env=env, log=data / "demo.log") as process:
        yield wait_for(port, process, data / "demo.log")


@contextmanager
def server(data: Path) -> Iterator[str]:
    """Serve ``visualsnoop-server`` with one account."""
    env = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "VISUALSNOOP_DATA": str(data / "server"),
    }
    program = (sys.executable, "-m", "django_visualsnoop.server.project.main")
    create = (*program, "createuser", EMAIL, "--password-stdin")
    subprocess.run(create, env=env, input=PASSWORD, text=True, check=True)
    port = find_port()
    serve = (*program, "--listen", f"127.0.0.1:{port}")
    with running(*serve, env=env, log=data / "server.log") as process:
        yield wait_for(port, process, data / "server.log")


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port: int = trial.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the address of a server once it answers.

    Raises:
        SystemExit: it does not.
    """
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + SERVER_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=SERVER_START).close()
        except OSError:
            time.sleep(0.1)
        else:
            return url
    sys.exit(f"The server does not answer:\n{log.read_text()}")


if __name__ == "__main__":
    main()
