"""An account from its first mail to its end, in a real browser, with a real mail server."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.client.exceptions import AuthenticationError
from django_visualsnoop.client.models import Collection
from tests.collections.contract import image
from tests.server import mailbox as mailboxes
from tests.server.mailbox import Mailbox
from tests.server.pages.browsing import check, chosen, launched, open_page
from tests.server.project.installed import PASSWORD, Installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.http,
    pytest.mark.browser,
    pytest.mark.service("chromium", "axe"),
]

NEW_PASSWORD = "another horse battery"


@pytest.fixture
def box() -> Iterator[Mailbox]:
    box = Mailbox()
    controller = mailboxes.start(box)
    yield box
    controller.stop()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def go(page: Page, name: str) -> None:
    page.get_by_role("link", name=name).click()


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)


def choose_password(page: Page, password: str, button: str) -> None:
    check(page)
    fill(page, new_password1=password, new_password2=password)
    press(page, button)


def sign_in(page: Page, email: str, password: str) -> None:
    page.goto("/sign-in/")
    fill(page, username=email, password=password)
    press(page, "Sign in")


def delete_account(page: Page, password: str) -> None:
    page.goto("/account/delete/")
    check(page)
    fill(page, password=password)
    press(page, "Delete the account")
    assert "Your account was deleted." in page.get_by_role("status").inner_text()


def rows_left(folder: Path) -> dict[str, list[str]]:
    """Return the rows of the server's database, without those that migrations made."""
    with closing(sqlite3.connect(folder / "visualsnoop.sqlite3")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = {name: database.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}
    made = re.compile("django_migrations|django_content_type|auth_permission|sqlite_.*")
    return {
        name: [str(row) for row in found]
        for name, found in rows.items()
        if found and not made.fullmatch(name)
    }


def test_from_registering_to_deleting(tmp_path: Path, box: Mailbox) -> None:
    installed = Installed(tmp_path, VISUALSNOOP_EMAIL_URL=box.url, VISUALSNOOP_REGISTRATION="open")
    with installed.serving() as port, launched() as browser:
        home = f"http://127.0.0.1:{port}"
        page, bob = (open_page(browser, home) for _ in range(2))

        page.goto("/")
        go(page, "Create an account")
        check(page)
        fill(page, email="ann@example.com")
        press(page, "Send the mail")
        check(page)
        page.goto(box.take_link("ann@example.com"))
        choose_password(page, PASSWORD, "Create the account")

        go(page, "Create a collection")
        fill(page, name="Holidays")
        press(page, "Create collection")
        page.set_input_files("#id_pictures", [chosen(image(1), "beach-one.png")])
        press(page, "Add")
        go(page, "Keys")
        press(page, "Create key")
        token = re.findall(r"Bearer (\w+\.\w+)", page.inner_text("main"))[0]
        go(page, "Back to the keys")
        page.get_by_text("Upload and search with a program").click()
        check(page)
        public, _, secret = token.partition(".")
        client = Collection(public, secret, f"{home}/api/v1")
        client.add_image(image(2), "hill-one")
        go(page, "Search")
        page.set_input_files("#id_picture", chosen(image(2), "again.png"))
        assert "hill-one" in page.locator("#results .card").first.inner_text()
        assert len([one for one in (tmp_path / "pictures").rglob("*") if one.is_file()]) == 2

        page.get_by_role("navigation", name="Main").get_by_role(
            "link", name="Organisations"
        ).click()
        fill(page, name="Desk")
        press(page, "Create organisation")
        fill(page, email="bob@example.com")
        press(page, "Invite")
        check(page)
        desk = page.url
        bob.goto(box.take_link("bob@example.com"))
        choose_password(bob, PASSWORD, "Create the account")
        press(bob, "Accept: Desk")
        assert "You are now a member of Desk." in bob.inner_text("main")

        press(page, "Sign out")
        go(page, "Forgot your password?")
        check(page)
        fill(page, email="ann@example.com")
        press(page, "Send the mail")
        page.goto(box.take_link("ann@example.com"))
        choose_password(page, NEW_PASSWORD, "Change the password")
        sign_in(page, "ann@example.com", NEW_PASSWORD)

        page.get_by_title("Your account").click()
        check(page)
        go(page, "Change the address")
        check(page)
        fill(page, email="anna@example.com", password=NEW_PASSWORD)
        press(page, "Send the mail")
        page.goto(box.take_link("anna@example.com"))
        check(page)
        press(page, "Change the address")
        box.take("ann@example.com")
        sign_in(elsewhere := open_page(browser, home), "anna@example.com", NEW_PASSWORD)
        page.goto("/account/sessions/")
        check(page)
        press(page, "Sign out everywhere else")
        elsewhere.goto("/account/")
        assert "/sign-in/" in elsewhere.url

        page.goto("/account/delete/")
        check(page)
        assert "You are the only owner" in page.inner_text("main")
        page.goto(desk)
        fill(page, email="bob@example.com")
        page.get_by_label("Role").select_option("owner")
        press(page, "Invite")
        delete_account(page, NEW_PASSWORD)
        with pytest.raises(AuthenticationError):
            client.get_images()

        left = rows_left(tmp_path)
        assert not re.search(r"\banna?@|Holidays|beach-one|hill-one", str(left))
        assert not [one for one in (tmp_path / "pictures").rglob("*") if one.is_file()]
        assert len(left["auth_user"]) == len(left["visualsnoop_server_organisation"]) == 1
        delete_account(bob, PASSWORD)
        # The counters of mails hold keyed hashes, and go after a day.
        assert set(rows_left(tmp_path)) == {"visualsnoop_server_maillimit"}
