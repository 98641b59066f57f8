"""A real browser, and axe in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Page

#: What WCAG 2.2 AA asks, and what axe advises beside.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: What also depends on colours and on widths; all else is the same in each.
RULES_OF_LOOKS = ["color-contrast", "target-size", "scrollable-region-focusable"]
WIDE, NARROW = 1280, 360


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
