"""A real browser, and axe in it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests import services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, FilePayload, Page

#: What WCAG 2.2 AA asks, and what axe advises beside.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: What also depends on colours and on widths; all else is the same in each.
RULES_OF_LOOKS = ["color-contrast", "target-size", "scrollable-region-focusable"]
WIDE, NARROW = 1280, 360


@contextmanager
def launched() -> Iterator[Browser]:
    """Run a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=services.require("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


def open_page(browser: Browser, base_url: str, **options: Any) -> Page:
    """Return a page whose console must stay silent about our scripts and styles."""
    page = browser.new_context(base_url=base_url, **options).new_page()
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("console", lambda said: _refuse(said.text))
    return page


def _refuse(text: str) -> None:
    assert "Content Security Policy" not in text, text


def look(page: Page, scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    # Django's admin fades from one colour to the other.
    page.wait_for_function("document.getAnimations().every(one => one.playState != 'running')")


def check(page: Page) -> None:
    """Fail if axe finds anything, wide and light or narrow and dark, or a page is too wide."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(Axe().axe_script)
    for scheme, width, rules in (
        ("light", WIDE, {"type": "tag", "values": TAGS}),
        ("dark", NARROW, {"type": "rule", "values": RULES_OF_LOOKS}),
    ):
        look(page, scheme, width)
        options = {"runOnly": rules, "resultTypes": ["violations"]}
        found = page.evaluate("options => axe.run(options)", options)
        told = [
            (violation["id"], [node["target"] for node in violation["nodes"]])
            for violation in found["violations"]
        ]
        assert told == [], (page.url, told)
        assert found["passes"], page.url
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def chosen(content: bytes, name: str) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def give(page: Page, event: str, content: bytes, name: str) -> None:
    """Drop or paste a file, as a browser tells its page so."""
    page.evaluate(
        """([event, bytes, name]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
            const rest = {bubbles: true, cancelable: true};
            const made = event === "paste"
                ? new ClipboardEvent("paste", {clipboardData: data, ...rest})
                : new DragEvent("drop", {dataTransfer: data, ...rest});
            document.body.dispatchEvent(made);
        }""",
        [event, list(content), name],
    )
