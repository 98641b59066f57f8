"""A user's own account: its address, its sessions, and deleting it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connections
from django.test import Client

from django_visualsnoop.server.content.account_deletion import CannotDelete, delete_account
from django_visualsnoop.server.models import AccountSession, HostedCollection, Organisation
from django_visualsnoop.server.pages.devices import name_device
from django_visualsnoop.server.tenants.keys import make_collection, make_key
from tests.collections.contract import image
from tests.server.pages.conftest import PASSWORD, Person, add, person, url
from tests.server.pages.test_registration import follow, same
from tests.server.serving import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from tests.server.mailbox import Mailbox

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


@pytest.fixture
def listed(settings: Settings) -> None:
    settings.SESSION_ENGINE = "django_visualsnoop.server.tenants.sessions"


def ask_to_change(ann: Person, email: str) -> Any:
    return ann.post("address", email=email, password=PASSWORD)


def test_changing_the_address(ann: Person, mailbox: Mailbox) -> None:
    wrong = ann.post("address", email="anna@example.com", password="wrong")
    assert "The password is wrong." in wrong.text
    assert not mailbox.mails
    ask_to_change(ann, "Anna@example.com")
    link = mailbox.take_link("Anna@example.com")
    client = Client()
    page = follow(link, client)
    assert "ann@example.com" in page.text
    ann.user.refresh_from_db()
    assert ann.user.email == "ann@example.com"  # following is not enough: programs follow links
    assert client.post(url("confirm_address")).status_code == 302
    text = mailbox.take("ann@example.com")
    assert "Anna@example.com" in text
    ann.user.refresh_from_db()
    assert (ann.user.get_username(), ann.user.email) == ("anna@example.com",) * 2
    # Once; and a new password ends all links.
    assert follow(link, Client()).status_code == 410
    ask_to_change(ann, "other@example.com")
    link = mailbox.take_link("other@example.com")
    ann.user.set_password("another horse battery")
    ann.user.save()
    assert follow(link, Client()).status_code == 410


def test_changing_tells_nothing_of_other_accounts(ann: Person, mailbox: Mailbox) -> None:
    person("known")
    get_user_model().objects.filter(pk=ann.user.pk).update(username="ann")
    told = []
    for email in ("known@example.com", "other@example.com"):
        told.append(same(ask_to_change(ann, email), email))
        assert ("already has an account" in mailbox.take(email)) == email.startswith("known")
    assert told[0] == told[1]
    # Somebody else takes the address before the link is followed.
    ask_to_change(ann, "late@example.com")
    link = mailbox.take_link("late@example.com")
    client = Client()
    follow(link, client)
    late = person("late")
    assert client.post(url("confirm_address")).status_code == 410
    late.user.delete()
    client.post(url("confirm_address"))
    # The name was no address, so it stays.
    user = get_user_model().objects.get(pk=ann.user.pk)
    assert (user.get_username(), user.email) == ("ann", "late@example.com")


@pytest.mark.usefixtures("listed")
def test_sessions(ann: Person, eve: Person) -> None:
    phone, tablet, mine = (Client(headers={"User-Agent": agent}) for agent in ("x", "y", FIREFOX))
    fields = {"username": "ann@example.com", "password": PASSWORD}
    for client in (phone, tablet, mine):
        client.post(url("sign_in"), fields)
    page = mine.get(url("sessions"))
    shown = page.context["sessions"]
    assert next(one.agent for one, _ in shown) == FIREFOX
    assert "Firefox, Linux" in page.text
    assert "127.0.0.1" in page.text
    assert {
        row.session_key for row in AccountSession.objects.all() if row.session_key in page.text
    } == set()
    # One of somebody else's cannot be ended.
    chosen = next(one.id for one, _ in shown if one.agent == "x")
    eve.client.force_login(eve.user)
    eve.post("end_session", session=chosen)
    assert phone.get(url("account")).status_code == 200
    mine.post(url("end_session"), {"session": chosen})
    assert phone.get(url("account")).status_code == 302
    assert tablet.get(url("account")).status_code == 200
    mine.post(url("end_session"))
    assert tablet.get(url("account")).status_code == 302
    assert mine.get(url("account")).status_code == 200
    # A new password changes the key of a session: it is listed once.
    new = "another horse battery"
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert mine.post(url("password"), fields).status_code == 302
    assert len(mine.get(url("sessions")).context["sessions"]) == 1


def test_other_sessions_are_not_listed(ann: Person) -> None:
    assert "Where you are signed in" not in ann.get("account").text
    assert ann.get("sessions").status_code == 404


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU like Mac OS X) CriOS/140.0 Safari/604.1", "Chrome, iPhone"),
        ("curl/8", "Unknown browser"),
    ],
)
def test_devices(agent: str, name: str) -> None:
    assert name_device(agent) == name


@pytest.mark.usefixtures("listed")
def test_deleting_the_account(
    ann: Person,
    eve: Person,
    mailbox: Mailbox,
    tmp_path: Path,
    django_capture_on_commit_callbacks: Any,
) -> None:
    ann.client.force_login(ann.user)
    ann.post("organisations", name="Alone")
    ann.post("organisations", name="Desk")
    desk = Organisation.objects.get(name="Desk")
    eves = desk.memberships.create(user=eve.user)
    hosted = ann.collection(organisation=desk, retention="originals")
    add(hosted, "beach", image(1))
    make_key(hosted.pk)
    eve.post("organisations", name="Eves")
    eve.post(
        "organisation",
        Organisation.objects.get(name="Eves").pk,
        email="ann@example.com",
        role="member",
    )
    assert "You are the only owner" in ann.get("delete_account").text
    assert ann.post("delete_account", password=PASSWORD).status_code == 400
    assert desk.memberships.count() == 2

    eves.role = "owner"
    eves.save()
    page = ann.get("delete_account").text
    for said in (
        "Holidays</strong> with 1 image",
        "Alone</strong>, which has no",
        "Desk</strong>, which you",
    ):
        assert said in page
    assert ann.post("delete_account", password="wrong").status_code == 400
    with django_capture_on_commit_callbacks(execute=True):
        gone = ann.post("delete_account", password=PASSWORD)
    assert gone.headers["Location"] == url("sign_in")
    assert list(get_user_model().objects.all()) == [eve.user]
    assert list(Organisation.objects.order_by("name").values_list("name", flat=True)) == [
        "Desk",
        "Eves",
    ]
    assert not HostedCollection.objects.exists()
    assert not AccountSession.objects.filter(account_id=ann.user.pk).exists()
    assert not Organisation.objects.get(name="Eves").invitations.exists()
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()] == []


def test_the_last_administrator_stays(ann: Person, mailbox: Mailbox) -> None:
    ann.user.is_superuser = True
    ann.user.save()
    assert "You are the only administrator" in ann.get("delete_account").text
    with pytest.raises(CannotDelete):
        delete_account(ann.user)


def test_a_project_of_ones_own_manages_its_accounts(ann: Person) -> None:
    shown = ann.get("account").text
    assert "Delete" not in shown
    for name in ("address", "delete_account"):
        assert ann.get(name).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_last_of_two_owners_who_go_at_once_stays() -> None:
    for _ in range(3):
        desk = Organisation.objects.create(name="Desk")
        owners = [person(name) for name in ("ann", "eve")]
        for one in owners:
            desk.memberships.create(user=one.user, role="owner")
        desk.memberships.create(user=person("bob").user)
        going = threading.Barrier(2)

        def delete(one: Person, going: threading.Barrier = going) -> bool:
            try:
                going.wait(PATIENCE)
                delete_account(one.user)
            except CannotDelete:
                return False
            finally:
                connections.close_all()
            return True

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(delete, owners)) == [False, True]
        assert desk.memberships.filter(role="owner").count() == 1
        get_user_model().objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_if_a_collection_is_made_meanwhile() -> None:
    ann, going = person("ann"), threading.Barrier(3)

    def make() -> None:
        try:
            going.wait(PATIENCE)
            for _ in range(20):
                make_collection(ann.user, "More")
        except IntegrityError:
            pass  # the account is gone
        finally:
            connections.close_all()

    def delete() -> None:
        try:
            going.wait(PATIENCE)
            delete_account(ann.user)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(work) for work in (make, make, delete)]
    for one in running:
        one.result()
    assert not get_user_model().objects.exists()
    assert not HostedCollection.objects.exists()
