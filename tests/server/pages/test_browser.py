"""The pages in a real browser: the whole way through them, and what axe says of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

from django_visualsnoop.server.content import not_duplicates
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.models import HostedCollection, Key, Organisation, Retention
from django_visualsnoop.server.tenants.keys import make_key, revoke_key
from django_visualsnoop.server.tenants.tenancy import hash_address
from tests.collections.contract import image
from tests.related import related_pictures
from tests.server.pages.browsing import check, chosen, give, launched, open_page
from tests.server.pages.conftest import PASSWORD, Person, add, person, url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.service("chromium"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def browser(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    # Playwright's own event loop runs in this thread, beside the test's queries.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with launched() as browser:
        yield browser
    connections.close_all()


def opened(browser: Browser, live_server: LiveServer, ann: Person | None, **options: Any) -> Page:
    page = open_page(browser, live_server.url, **options)
    if ann is not None:
        cookie = ann.client.cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    return page


def test_from_signing_in_to_a_revoked_key(browser: Browser, live_server: LiveServer) -> None:
    ann = person("ann")
    page = opened(browser, live_server, None)
    page.goto("/")
    page.get_by_label("E-mail address").fill(str(ann.user.email))
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")

    page.get_by_role("link", name="Create a collection").click()
    page.get_by_label("Name").fill("Holidays")
    page.get_by_label("Small pictures", exact=True).check()
    page.get_by_role("button", name="Create collection").click()
    hosted = HostedCollection.objects.get()
    page.set_input_files(
        "#id_pictures",
        [chosen(image(number), f"{number}.png") for number in (1, 2)],
    )
    page.get_by_role("button", name="Add", exact=True).click()
    assert "2 pictures added." in page.get_by_role("status").inner_text()
    add(hosted, "one again", image(1))

    page.get_by_role("link", name="Keys").click()
    page.get_by_role("button", name="Create key").click()
    public_key = Key.objects.get().public_key
    secret = page.locator("#secret").inner_text()
    assert len(secret) == 40
    assert public_key in page.locator("#snippet-3").inner_text()
    page.get_by_role("link", name="Back to the keys").click()
    assert secret not in page.content()

    page.get_by_role("link", name="Search").click()
    for event, number in (("drop", 2), ("paste", 1)):
        give(page, event, image(number), f"{event}.png")
        page.get_by_text(f"{event}.png", exact=True).wait_for()
        # What else the pictures of the tests look like comes after the copies.
        results = page.locator("#results .card").filter(has_text="Copy")
        assert results.count() == {1: 2, 2: 1}[number]
        assert f"{number}.png" in results.all_inner_texts()[0] + results.all_inner_texts()[-1]
        assert re.search(r"Similarity\s+(100|9\d) %", results.first.inner_text())
        assert results.first.locator("img").evaluate("one => one.decode().then(() => 1)") == 1
        assert page.locator(".preview").is_visible()
    give(page, "drop", b"no picture", "broken.png")
    page.get_by_text("This file format is not supported").wait_for()

    page.get_by_role("link", name="Duplicates").click()
    group = page.get_by_role("region", name="Group 1: 2 images")
    assert sorted(group.locator(".id").all_inner_texts()) == ["1.png", "one again"]
    assert page.get_by_role("region", name="Group 2").count() == 0
    group.get_by_role("button", name="Not a duplicate: 1.png").click()
    assert "1.png was marked as not a duplicate" in page.get_by_role("status").inner_text()
    assert "No image of this collection is a duplicate" in page.locator("main").inner_text()

    page.get_by_role("link", name="Keys").click()
    page.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke the key").click()
    assert f"The key {public_key} was revoked" in page.get_by_role("status").inner_text()
    assert Key.objects.get().revoked_at is not None
    page.get_by_role("button", name="Sign out").click()
    assert page.url.endswith(url("sign_in"))


def test_choosing_a_relation(
    browser: Browser, live_server: LiveServer, ann: Person, related: HostedCollection, shared: Path
) -> None:
    content = related_pictures(shared)["original"]
    for scripts in (True, False):
        page = opened(browser, live_server, ann, java_script_enabled=scripts)
        page.goto(url("search", related.pk))
        page.set_input_files("#id_picture", chosen(content, "query.jpg"))
        page.get_by_label("Show").select_option(label="Variants")
        if not scripts:
            page.get_by_role("button", name="Search", exact=True).click()
        page.get_by_text("1 image found").wait_for()
        card = page.locator("#results .card").inner_text()
        assert re.search(r"variant\s+Variant: \d+\s% differs\s+Similarity\s\d+\s%", card)

    page.get_by_role("link", name="Images").click()
    page.get_by_role("link", name="original").click()
    page.get_by_role("link", name="Other shots").click()
    assert page.locator(".card .relation").all_inner_texts() == ["Another shot"]


def test_without_scripts_and_by_keyboard(browser: Browser, live_server: LiveServer) -> None:
    ann = person("ann")
    hosted = ann.collection()
    add(hosted, "one", image(1))
    page = opened(browser, live_server, ann, java_script_enabled=False)
    page.goto(url("search", hosted.pk))
    assert "Drop a picture" not in page.inner_text("main")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # past the navigation
    page.set_input_files("#id_picture", chosen(image(1), "again.png"))
    page.focus("#id_picture")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("1 image found").wait_for()
    assert "one\n" in page.locator("#results .card").inner_text()


@pytest.mark.service("axe")
def test_three_groups_by_keyboard(browser: Browser, live_server: LiveServer) -> None:
    ann = person("ann")
    hosted = ann.collection(retention=Retention.ORIGINALS)
    for number in (1, 2, 3):
        for copy in "ab":
            add(hosted, f"{number}{copy}", image(number))
    page = opened(browser, live_server, ann)
    page.goto(url("duplicates", hosted.pk))
    page.get_by_role("link", name="Review the groups").click()
    check(page)
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    check(page)
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    for mode in ("Slider", "Blink", "Side by side"):
        page.keyboard.press("c")
        page.locator(f":checked:is(label:has-text('{mode}') *)").wait_for()
        check(page)
    page.keyboard.press("+")
    pictures = page.locator(".visualsnoop-stage img").all()
    first, second = (one.evaluate("one => one.style.transform") for one in pictures)
    assert first == second != ""

    page.keyboard.press("p")
    press(page, "Enter")
    check(page)
    press(page, "Escape")
    assert HostedImages(hosted).store.count() == 6
    # The choice has survived.
    assert page.locator(".visualsnoop-member").nth(1).get_by_label("Delete").is_checked()
    press(page, "Enter")
    page.locator("button.danger:focus").wait_for()
    press(page, "Enter")
    assert HostedImages(hosted).store.count() == 5
    assert "1 image was deleted." in page.get_by_role("status").inner_text()

    press(page, "n")
    assert len(not_duplicates.list_pairs(HostedImages(hosted))) == 1
    assert "Group 3 of 3" in page.locator("h2").first.inner_text()
    press(page, "a")
    assert "You have reviewed all groups." in page.get_by_role("status").inner_text()
    page.get_by_role("link", name="Kept (1)").click()
    check(page)
    page.get_by_role("link", name="Group").click()
    check(page)
    press(page, "u")
    assert page.get_by_role("button", name="Keep all").is_visible()
    assert HostedImages(hosted).store.count() == 5

    page.goto(url("removed", hosted.pk))
    check(page)
    page.get_by_role("button", name="Restore").click()
    assert "Restored 1 image." in page.get_by_role("status").inner_text()
    assert HostedImages(hosted).store.count() == 6
    page.goto(url("duplicates", hosted.pk))
    page.get_by_role("button", name="Resolve the sure groups of this page").click()
    check(page)
    page.get_by_role("button", name="Yes, resolve these 2 groups").click()
    assert "Resolved 2 groups." in page.get_by_role("status").inner_text()
    check(page)
    assert HostedImages(hosted).store.count() == 4


def test_reviewing_without_scripts(browser: Browser, live_server: LiveServer) -> None:
    ann = person("ann")
    hosted = ann.collection()
    for name in "ab":
        add(hosted, name, image(1))
    page = opened(browser, live_server, ann, java_script_enabled=False)
    page.goto(url("review", hosted.pk, "a"))
    page.locator(".visualsnoop-member").nth(1).get_by_label("Delete").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Delete 1 image").click()
    assert "1 image was deleted." in page.get_by_role("status").inner_text()
    assert HostedImages(hosted).store.count() == 1


def press(page: Page, key: str) -> None:
    """Press a key that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press(key)


def every_page(ann: Person) -> Iterator[str]:
    """Make something to see on every page, and yield where they are."""
    organisation = Organisation.objects.create(name="Desk")
    for one, role in ((ann, "owner"), (person("bob"), "member")):
        organisation.memberships.create(user=one.user, role=role)
    more = Organisation.objects.create(name="A very long name of an organisation: " + "x" * 60)
    for invited, email in (
        (organisation, "cid@example.com"),
        (organisation, f"{'long' * 15}@example.com"),
        (more, str(ann.user.email)),
    ):
        invited.invitations.create(
            email=email, digest=hash_address(email), role="member", invited_by=ann.user
        )
    pictured = ann.collection(retention=Retention.ORIGINALS, organisation=organisation)
    bare, empty = ann.collection("Only ids"), ann.collection("Empty")
    for hosted in (pictured, bare):
        for image_id, number in (("one", 1), ("a/" + "long-" * 15 + "id", 1), ("two", 2)):
            add(hosted, image_id, image(number))
    for hosted in (pictured, bare):
        pair = not_duplicates.make_pair("one", "two")
        not_duplicates.mark_pair(HostedImages(hosted), pair)
    over = make_key(pictured.pk).key
    revoke_key(over.public_key)
    key = make_key(pictured.pk).key
    for name in ("collections", "new_collection", "organisations", "password", "password_changed"):
        yield url(name)
    for name in ("organisation", "delete_organisation"):
        yield url(name, organisation.pk)
    for hosted in (pictured, bare, empty):
        for name in ("search", "images", "duplicates", "not_duplicates", "keys"):
            yield url(name, hosted.pk)
    for name in ("image", "delete_image"):
        yield url(name, pictured.pk, "one")
    for name in ("image", "review"):
        yield url(name, bare.pk, "one")
    for name in ("settings", "delete_collection"):
        yield url(name, pictured.pk)
    yield url("revoke", pictured.pk, key.public_key)
    yield url("search", "00000000")
    yield f"{url('api_v2')}/docs"


@pytest.mark.service("axe")
def test_axe_finds_nothing(browser: Browser, live_server: LiveServer) -> None:
    ann = person("ann")
    page = opened(browser, live_server, None)
    page.goto(url("sign_in"))
    page.get_by_label("E-mail").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    check(page)

    page = opened(browser, live_server, ann)
    for path in every_page(ann):
        page.goto(path)
        check(page)

    hosted = HostedCollection.objects.get(name="Holidays")
    page.goto(url("keys", hosted.pk))
    page.get_by_role("button", name="Rotate").click()
    page.get_by_text("The secret key is shown only once").wait_for()
    check(page)
    page.goto(url("search", hosted.pk))
    for content, shown in (
        (image(1), re.compile(r"\d images found")),
        (b"none", "format is not supported"),
    ):
        page.set_input_files("#id_picture", chosen(content, "a.png"))
        page.get_by_text(shown).wait_for()
        check(page)
    page.goto(url("new_collection"))
    page.locator("#id_name").evaluate("one => one.required = false")
    page.get_by_role("button", name="Create collection").click()
    page.get_by_text("This field is required.").wait_for()
    check(page)
