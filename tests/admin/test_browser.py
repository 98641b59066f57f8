"""The whole way in a browser: select, find duplicates, choose, confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.db import connections

from django_visualsnoop.sync import worker
from tests import services
from tests.collections.contract import image
from tests.fixtures import product
from tests.server.pages.browsing import chosen
from tests.testapp.models import Product, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.service("chromium"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def page(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A browser's page at the admin's front, logged in."""
    from playwright.sync_api import sync_playwright

    # Playwright's own event loop runs in this thread, beside the test's queries.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    User.objects.create_superuser("admin", password="secret")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=services.require("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        # Without scripts: the pages must need none, and Django's own need none here.
        page = browser.new_context(java_script_enabled=False, base_url=live_server.url).new_page()
        page.goto("/admin/")
        page.fill("#id_username", "admin")
        page.fill("#id_password", "secret")
        page.click("[type=submit]")
        yield page
        browser.close()
        # Inside that loop, Django gave this thread connections of their own.
        connections.close_all()


@pytest.mark.usefixtures("recorder")
def test_from_two_rows_to_one(page: Page) -> None:
    first, second, other = product(1, name="one"), product(1, name="two"), product(2)
    worker.sweep(using="default")
    page.goto("/admin/testapp/product/")
    for row in (first, other):
        page.check(f"input[name=_selected_action][value='{row.pk}']")
    page.select_option("select[name=action]", label="Find duplicates")
    page.click("button[name=index]")

    group = page.get_by_role("group", name="Group 1: 2 products")
    assert page.get_by_role("group").count() == 1
    assert group.locator("img").count() == 2
    for picture in group.locator("img").all():
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 50
    proposed = group.get_by_label(f"Keep Product object ({first.pk})")
    assert proposed.is_checked()
    proposed.focus()
    page.keyboard.press("ArrowDown")
    assert group.get_by_label(f"Keep Product object ({second.pk})").is_checked()

    page.get_by_role("button", name="Delete the others").click()
    assert Product.objects.count() == 3
    page.get_by_role("button", name="Yes, I’m sure").click()  # noqa: RUF001 -- Django's own
    assert "Successfully deleted 1 product." in page.content()
    assert set(Product.objects.all()) == {second, other}


@pytest.mark.usefixtures("recorder")
def test_from_a_row_to_its_similar_one(page: Page) -> None:
    first, second = product(1), product(1)
    worker.sweep(using="default")
    page.goto(f"/admin/testapp/product/{first.pk}/change/")
    page.get_by_role("link", name="Similar").click()
    page.get_by_role("link", name=f"Product object ({second.pk})").click()
    assert page.url.endswith(f"/admin/testapp/product/{second.pk}/change/")


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
