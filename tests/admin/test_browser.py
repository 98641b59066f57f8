"""The whole way in a browser: find duplicates, review them by keyboard, undo, search again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections

from django_visualsnoop.models import ReviewGroup
from django_visualsnoop.sync import worker
from tests import services
from tests.collections.contract import image
from tests.fixtures import product
from tests.server.pages.browsing import check, chosen
from tests.testapp.models import Product, Range, Review, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page
    from pytest_django.fixtures import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.service("chromium"),
    pytest.mark.django_db(transaction=True),
]
DUPLICATES = "/admin/testapp/product/duplicates/"


@pytest.fixture
def context(
    request: pytest.FixtureRequest, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BrowserContext]:
    """A browser; it runs scripts if the test has the mark."""
    from playwright.sync_api import sync_playwright

    # Playwright's own event loop runs in this thread, beside the test's queries.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=services.require("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        scripts = getattr(request, "param", False)
        yield browser.new_context(java_script_enabled=scripts, base_url=live_server.url)
        browser.close()
        # Inside that loop, Django gave this thread connections of their own.
        connections.close_all()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page at the admin's front, logged in."""
    User.objects.create_superuser("admin", password="secret")
    page = context.new_page()
    page.goto("/admin/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "secret")
    page.click("[type=submit]")
    return page


def press(page: Page, key: str) -> None:
    """Press a key that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press(key)


@pytest.mark.usefixtures("recorder")
def test_without_scripts(page: Page) -> None:
    first, second, other = product(1, name="one"), product(1, name="two"), product(2)
    worker.sweep(using="default")
    page.goto("/admin/testapp/product/")
    for row in (first, other):
        page.check(f"input[name=_selected_action][value='{row.pk}']")
    page.select_option("select[name=action]", label="Find duplicates")
    page.click("button[name=index]")
    page.get_by_role("link", name="Group 1: 2 products").click()
    for picture in page.locator(".visualsnoop-picture img").all():
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 50
    page.get_by_role("group", name=f"Product object ({second.pk})").get_by_label("Remove").check()
    page.get_by_role("button", name="Continue").click()
    assert Product.objects.count() == 3
    page.get_by_role("button", name="Yes, resolve this group").click()
    assert "Group 1: removed 1." in page.content()
    assert set(Product.objects.all()) == {first, other}


@pytest.mark.usefixtures("recorder")
def test_from_a_row_to_its_similar_one(page: Page) -> None:
    first, second = product(1), product(1)
    worker.sweep(using="default")
    page.goto(f"/admin/testapp/product/{first.pk}/change/")
    page.get_by_role("link", name="Similar").click()
    page.get_by_role("link", name=f"Product object ({second.pk})").click()
    assert page.url.endswith(f"/admin/testapp/product/{second.pk}/change/")


@pytest.mark.parametrize("context", [True], indirect=True)
def test_ten_groups_by_keyboard(media: object, settings: Settings, page: Page) -> None:
    settings.VISUALSNOOP = {
        alias: {"OPTIONS": {"embedding": None}} for alias in ("default", "archive")
    }
    rows = [product(number) for number in range(1, 13) for _ in range(2)]
    sale = Range.objects.create()
    for row in rows:
        Review.objects.create(product=row)
        sale.products.add(row)
    worker.sweep(using="default")
    page.goto(DUPLICATES)
    check(page)
    page.get_by_role("link", name="Start reviewing").click()
    check(page)
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    for mode in ("Slider", "Blink", "Side by side"):
        page.keyboard.press("c")
        page.locator(f":checked:is(label:has-text('{mode}') *)").wait_for()
    page.keyboard.press("+")
    page.keyboard.press("0")

    # A choice survives a look at the next group.
    page.keyboard.press("2")
    chosen = page.locator(".visualsnoop-member").nth(1).get_by_label("Remove")
    assert chosen.is_checked()
    press(page, "j")
    press(page, "k")
    assert page.locator(".visualsnoop-member").nth(1).get_by_label("Remove").is_checked()

    for number in range(10):
        page.keyboard.press("p")
        press(page, "Enter")
        if not number:
            check(page)
        press(page, "Enter")
    assert Product.objects.count() == 14
    assert Review.objects.count() == 24
    assert sale.products.count() == 14

    press(page, "n")
    marked = ReviewGroup.objects.get(state="not_duplicates")
    call_command("visualsnoop_reindex", verbosity=0)
    press(page, "l")
    page.get_by_role("button", name="Search again").click()
    assert page.get_by_role("link", name="Group").count() == 1
    assert ReviewGroup.objects.filter(pk=marked.pk, state="not_duplicates").exists()

    page.get_by_role("link", name="Resolved (10)").click()
    check(page)
    page.locator(".visualsnoop-group h2 a").first.click()
    check(page)
    press(page, "u")
    assert Product.objects.count() == 15
    assert "is to be reviewed again." in page.content()
    press(page, "l")
    page.get_by_role("button", name="Resolve the sure groups of this page").click()
    check(page)


@pytest.mark.usefixtures("recorder")
def test_a_picture_that_is_there_already_is_kept_without_choosing_it_again(page: Page) -> None:
    first = product(1)
    shop = Shop.objects.create(name="any")
    page.goto("/admin/testapp/product/add/")
    page.select_option("#id_shop", str(shop.pk))
    page.set_input_files("#id_photo", chosen(image(1), "new.png"))
    page.click("[name=_save]")
    assert page.get_by_role("link", name=f"Use the existing: {first}").count() == 1
    page.get_by_label("Keep both").check()
    page.click("[name=_save]")
    assert "was added successfully" in page.content()
    assert Product.objects.count() == 2
