"""Uploads in the admin: who is warned of what, and what happens then."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from tests.admin.pages import PRODUCTS, LoggedIn, sweep
from tests.collections.contract import image
from tests.fixtures import picture, product
from tests.test_concurrency import together
from tests.testapp.admin import ProductAdmin, ShopAdmin
from tests.testapp.models import Listing, Product, Shop

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]

LISTINGS = "/admin/testapp/listing/"


def upload(number: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile("new.png", image(number), "image/png")


def add(client: Client, url: str = PRODUCTS, **data: Any) -> Any:
    return client.post(f"{url}add/", {"shop": shop(), **data})


def shop() -> int:
    """Return the key of a shop, which a product's form requires."""
    return Shop.objects.get_or_create(name="any")[0].pk


def hidden(response: Any, end: str) -> dict[str, str]:
    """Return the inputs of the warning whose names end like this."""
    found = re.findall(r'<input [^>]*name="([^"]*)" value="([^"]*)"', response.text)
    return {name: value for name, value in found if name.endswith(end)}


def warned_of(response: Any) -> list[str]:
    assert response.status_code == 200
    return re.findall(r"Use the existing: ([^<]*)<", response.text)


@pytest.mark.parametrize("indexed", [False, True])
def test_a_copy_is_added_once_the_user_keeps_both(logged_in: LoggedIn, indexed: bool) -> None:
    row = product(1)
    if indexed:
        sweep()
    client = logged_in()
    response = add(client, photo=upload(), name="second")
    assert warned_of(response) == [str(row)]
    assert f'href="{PRODUCTS}{row.pk}/change/"' in response.text
    assert row.photo.url in response.text
    kept = hidden(response, "-visualsnoop_kept")
    again = add(client, name="second", **kept)
    assert warned_of(again) == [str(row)]  # nothing was confirmed
    confirmed = hidden(again, "-visualsnoop_keep_both")
    assert add(client, name="second", **kept, **confirmed).status_code == 302
    second = Product.objects.get(name="second")
    with second.photo.open() as file:
        assert file.read() == image(1)


def test_what_is_confirmed_is_one_file(logged_in: LoggedIn) -> None:
    product(1), product(2)
    client = logged_in()
    confirmed = hidden(add(client, photo=upload(1)), "-visualsnoop_keep_both")
    assert warned_of(add(client, photo=upload(2), **confirmed))


def test_a_kept_file_that_is_gone_is_asked_for_again(logged_in: LoggedIn) -> None:
    product(1)
    response = add(logged_in(), **{"photo-visualsnoop_kept": "forged"})
    assert "The file is no longer kept. Choose it again." in response.text
    assert Product.objects.count() == 1


def test_a_row_is_no_copy_of_itself_and_a_change_without_a_file_passes(
    logged_in: LoggedIn,
) -> None:
    row, _ = product(1), product(1)
    sweep()
    client = logged_in()
    url = f"{PRODUCTS}{row.pk}/change/"
    assert client.post(url, {"shop": shop(), "name": "changed"}).status_code == 302
    other = product(3)
    url = f"{PRODUCTS}{other.pk}/change/"
    assert client.post(url, {"shop": shop(), "photo": upload(3)}).status_code == 302


def test_refused(logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProductAdmin, "visualsnoop_warn_duplicates", "refuse")
    row = product(1)
    client = logged_in()
    response = add(client, photo=upload())
    assert warned_of(response) == [str(row)]
    assert not hidden(response, "-visualsnoop_kept")
    monkeypatch.setattr(ProductAdmin, "visualsnoop_warn_duplicates", True)
    confirmed = hidden(add(client, photo=upload()), "-visualsnoop_keep_both")
    monkeypatch.setattr(ProductAdmin, "visualsnoop_warn_duplicates", "refuse")
    assert warned_of(add(client, photo=upload(), **confirmed))


def test_switched_off(logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProductAdmin, "visualsnoop_warn_duplicates", False)
    product(1)
    assert add(logged_in(), photo=upload()).status_code == 302


def test_an_option_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProductAdmin, "visualsnoop_warn_duplicates", "deny")
    with pytest.raises(ImproperlyConfigured, match="True, False or 'refuse', not 'deny'"):
        ProductAdmin(Product, admin.site)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("reaction", [True, "refuse"])
def test_of_requests_at_once_only_one_passes(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, reaction: Any
) -> None:
    monkeypatch.setattr(ProductAdmin, "visualsnoop_warn_duplicates", reaction)
    if connection.vendor == "sqlite":  # as startproject leaves it
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "transaction_mode", "DEFERRED")
    user = User.objects.create_superuser("admin", password="secret")
    responses: list[requests.Response] = []

    def press() -> None:
        client = Client()
        client.force_login(user)
        session = requests.Session()
        session.cookies.update({name: cookie.value for name, cookie in client.cookies.items()})
        url = f"{live_server.url}{PRODUCTS}add/"
        token = re.search(r'csrfmiddlewaretoken" value="(.*?)"', session.get(url).text)
        assert token is not None
        data = {"csrfmiddlewaretoken": token[1], "shop": shop}
        files = {"photo": ("new.png", image(1), "image/png")}
        barrier.wait(60)
        responses.append(session.post(url, data, files=files, allow_redirects=False))

    shop = Shop.objects.create(name="any").pk
    barrier = threading.Barrier(3)
    together(press, press, press)
    assert sorted(response.status_code for response in responses) == [200, 200, 302]
    row = Product.objects.get()
    told = f"Use the existing: {row}"
    assert [told in response.text for response in responses].count(True) == 2


class TestPermissions:
    def test_a_row_that_the_admin_hides_is_mentioned_without_details(
        self, logged_in: LoggedIn
    ) -> None:
        secret = Listing.objects.create(photo=picture(1), title="secret")
        sweep()
        Listing.objects.filter(pk=secret.pk).update(published=False)
        response = add(logged_in("add_listing", "view_listing"), LISTINGS, photo=upload())
        assert warned_of(response) == []
        assert "You do not have permission to see where." in response.text
        assert secret.photo.url not in response.text

    def test_whoever_may_only_add_sees_no_row(self, logged_in: LoggedIn) -> None:
        row = product(1)
        response = add(logged_in("add_product"), photo=upload())
        assert warned_of(response) == []
        assert row.photo.url not in response.text
        assert "Keep both" in response.text


class TestInlines:
    def test_a_new_and_a_changed_row(self, logged_in: LoggedIn) -> None:
        shop = Shop.objects.create(name="one")
        row, mine = product(1), product(2, shop=shop)
        sweep()
        client = logged_in()
        url = f"/admin/testapp/shop/{shop.pk}/change/"
        data = {
            "name": "one",
            "products-TOTAL_FORMS": "2",
            "products-INITIAL_FORMS": "1",
            "products-0-id": str(mine.pk),
            "products-0-shop": str(shop.pk),
            "products-1-shop": str(shop.pk),
        }
        same_file = {"products-0-photo": upload(2), "products-1-photo": upload(1)}
        response = client.post(url, {**data, **same_file})
        assert warned_of(response) == [str(row)]
        kept = hidden(response, "-visualsnoop_kept")
        confirmed = hidden(response, "-visualsnoop_keep_both")
        assert set(confirmed) == {"products-1-photo-visualsnoop_keep_both"}
        assert client.post(url, {**data, **kept, **confirmed}).status_code == 302
        assert shop.products.count() == 2

    @pytest.mark.parametrize("reaction", [True, "refuse"])
    def test_the_same_picture_twice_in_one_request(
        self, logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch, reaction: Any
    ) -> None:
        monkeypatch.setattr(ShopAdmin, "visualsnoop_warn_duplicates", reaction)
        shop = Shop.objects.create(name="one")
        client = logged_in()
        url = f"/admin/testapp/shop/{shop.pk}/change/"
        data = {"name": "one", "products-TOTAL_FORMS": "3", "products-INITIAL_FORMS": "0"}
        first = {"products-0-photo": upload(1)}
        others = {"products-1-photo": upload(2), "products-2-photo": upload(1)}
        response = client.post(url, {**data, **first, **others})
        assert response.status_code == 200
        assert response.text.count("You have chosen this picture twice.") == 1
        assert shop.products.count() == 0
        kept = hidden(response, "-visualsnoop_kept")
        confirmed = hidden(response, "-visualsnoop_keep_both")
        if reaction == "refuse":
            assert not kept | confirmed
            return
        assert set(confirmed) == {"products-2-photo-visualsnoop_keep_both"}
        again = {"products-0-photo": upload(1), "products-1-photo": upload(2)}
        assert client.post(url, {**data, **again, **kept, **confirmed}).status_code == 302
        assert shop.products.count() == 3

    def test_a_form_that_is_not_saved_does_not_count(self, logged_in: LoggedIn) -> None:
        shop = Shop.objects.create(name="one")
        data = {
            "name": "one",
            "products-TOTAL_FORMS": "2",
            "products-INITIAL_FORMS": "0",
            "products-0-photo": upload(1),
            "products-0-DELETE": "on",
            "products-1-photo": upload(1),
        }
        response = logged_in().post(f"/admin/testapp/shop/{shop.pk}/change/", data)
        assert response.status_code == 302
        assert shop.products.count() == 1


class TestList:
    """Pictures that are changed in the changelist."""

    @pytest.fixture(autouse=True)
    def _editable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ProductAdmin, "list_display", ("name", "photo"))
        monkeypatch.setattr(ProductAdmin, "list_editable", ("photo",))

    def save(self, client: Client, rows: list[Product], data: dict[str, Any]) -> Any:
        form = {"form-TOTAL_FORMS": str(len(rows)), "form-INITIAL_FORMS": str(len(rows))}
        form |= {f"form-{number}-id": str(row.pk) for number, row in enumerate(rows)}
        return client.post(PRODUCTS, {**form, "_save": "Save", **data})

    def test_of_another_row(self, logged_in: LoggedIn) -> None:
        rows = [product(number, name=str(number)) for number in (2, 1)][::-1]
        client = logged_in()
        response = self.save(client, rows, {"form-1-photo": upload(1)})
        assert warned_of(response) == [str(rows[0])]
        fields = hidden(response, "-visualsnoop_kept") | hidden(response, "-visualsnoop_keep_both")
        assert self.save(client, rows, fields).status_code == 302
        with Product.objects.get(name="2").photo.open() as file:
            assert file.read() == image(1)

    def test_twice_in_one_request(self, logged_in: LoggedIn) -> None:
        rows = [product(number, name=str(number)) for number in (2, 1)][::-1]
        same = {"form-0-photo": upload(3), "form-1-photo": upload(3)}
        response = self.save(logged_in(), rows, same)
        assert response.text.count("You have chosen this picture twice.") == 1
