"""Creating an account by a mail that arrives at a real mail server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.server.models import Membership, Organisation
from django_visualsnoop.server.tenants import throttling
from tests.server.mailbox import Mailbox, use
from tests.server.pages.conftest import PASSWORD, Person, person, url

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

BOTH = {"new_password1": PASSWORD, "new_password2": PASSWORD}


def ask_for_mail(name: str, email: str, client: Client | None = None) -> Any:
    return (client or Client()).post(url(name), {"email": email})


def follow(link: str, client: Client) -> Any:
    """Follow a link of a mail to its page."""
    return client.get(link.partition("://testserver")[2], follow=True)


def same(answer: Any, email: str) -> Any:
    """Return what must not depend on the address."""
    text = re.sub(r'value="\w{64}"', "", answer.text).replace(email, "ADDRESS")
    headers = {name: value for name, value in answer.items() if name != "Expires"}
    return answer.status_code, text, headers


def test_registering(mailbox: Mailbox) -> None:
    client = Client()
    assert "Create an account" in client.get(url("sign_in")).text
    ask_for_mail("register", "New@Example.com", client)
    link = mailbox.take_link("New@Example.com")
    # Only who gets the mail can go on, and no password is there before.
    assert not get_user_model().objects.exists()
    assert Client().get(url("registered")).status_code == 410
    assert follow(link[:-1], client).status_code == 410
    page = follow(link, client)
    assert "New@Example.com" in page.text
    assert link.rpartition("/links/")[2] not in page.request["PATH_INFO"]
    weak = client.post(url("registered"), {**BOTH, "new_password2": "other"})
    assert weak.status_code == 400
    assert not get_user_model().objects.exists()
    assert client.post(url("registered"), BOTH).headers["Location"] == url("collections")
    assert "Your account was created." in client.get(url("collections")).text
    user = get_user_model().objects.get()
    assert (user.get_username(), user.email) == ("new@example.com",) * 2
    assert not user.is_staff
    assert not user.is_superuser
    # Once.
    other = Client()
    follow(link, other)
    assert other.post(url("registered"), BOTH).status_code == 410
    # The case of the address does not matter for signing in.
    fields = {"username": "New@example.com", "password": PASSWORD}
    assert other.post(url("sign_in"), fields).status_code == 302


@pytest.mark.parametrize("name", ["register", "reset"])
def test_nobody_learns_which_addresses_have_accounts(mailbox: Mailbox, name: str) -> None:
    """The answers are the same, byte by byte, and the work is."""
    person("known")
    answers, queries, words = [], [], []
    for email in ("warm-up@example.com", "known@example.com", "other@example.com"):
        with CaptureQueriesContext(connection) as captured:
            answers.append(same(ask_for_mail(name, email), email))
        queries.append(len(captured))
        words.append(mailbox.take(email))
    assert answers[1] == answers[2]
    assert queries[1] == queries[2]
    assert words[1].splitlines()[0] != words[2].splitlines()[0]
    assert ("/links/register/" in words[1], "/password/reset/" in words[2]) == (False, False)
    # A mail server that refuses says nothing of accounts either.
    person("none").user.__class__.objects.create_user("x", "known@full.example", PASSWORD)
    told = [same(ask_for_mail(name, f"{one}@full.example"), one) for one in ("known", "other")]
    assert told[0] == told[1]
    assert told[0][0] == 503


def test_resetting_a_password(mailbox: Mailbox) -> None:
    ann = person("ann")
    assert "Forgot your password?" in Client().get(url("sign_in")).text
    ask_for_mail("reset", "ANN@example.com")
    text = mailbox.take("ann@example.com")
    link = re.findall(r"http\S+", text)[0]
    client = Client()
    page = follow(link, client)
    assert link not in page.text
    new = "another horse battery"
    path = page.request["PATH_INFO"]
    assert client.post(path, {"new_password1": new, "new_password2": "x"}).status_code == 200
    changed = client.post(path, {"new_password1": new, "new_password2": new}, follow=True)
    assert "You are signed out on all devices." in changed.text
    assert ann.get("collections").status_code == 302
    assert client.login(username="ann@example.com", password=new)
    assert "This link is not valid" in follow(link, Client()).text


def test_mails_are_limited(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(throttling.MAILS_PER_HOUR):
        assert ask_for_mail("register", "ann@example.com").status_code == 200
    refused = ask_for_mail("reset", "ANN@example.com")
    assert (refused.status_code, refused["Retry-After"]) == (429, "720")
    assert "Try again in 12 minutes" in refused.text
    assert len(mailbox.mails) == throttling.MAILS_PER_HOUR
    # Elsewhere, or of one network.
    monkeypatch.setattr(throttling, "MAILS_CAUSED_PER_HOUR", 2)
    for last in (1, 2, 3):
        client = Client(REMOTE_ADDR=f"2001:db8::{last}")
        status = ask_for_mail("register", f"{last}@example.com", client).status_code
        assert status == (429 if last == 3 else 200)


def invite(ann: Person, desk: Organisation, email: str, role: str = "member") -> Any:
    answer = ann.post("organisation", desk.pk, email=email, role=role)
    return ann.client.get(answer.url)


@pytest.fixture
def desk(ann: Person) -> Organisation:
    ann.post("organisations", name="Desk")
    return Organisation.objects.get()


def test_an_invitation_registers(
    ann: Person, desk: Organisation, mailbox: Mailbox, settings: Settings
) -> None:
    use(mailbox, settings, REGISTRATION="invitation")
    client = Client()
    assert client.get(url("register")).status_code == 404
    invite(ann, desk, "bob@example.com")
    link = mailbox.take_link("bob@example.com")
    assert "You are invited to Desk." in follow(link, client).text
    assert client.post(url("invitation"), BOTH).headers["Location"] == url("organisations")
    client.post(url("accept", desk.invitations.get().pk))
    assert desk.memberships.get(user__email="bob@example.com").role == Membership.Role.MEMBER
    assert follow(link, Client()).status_code == 410


def test_an_invitation_to_an_account(
    ann: Person, desk: Organisation, mailbox: Mailbox, settings: Settings
) -> None:
    bob = person("bob")
    invite(ann, desk, "bob@example.com")
    link = mailbox.take_link("bob@example.com")
    asked = follow(link, Client())
    assert asked.redirect_chain[-1][0].startswith(url("sign_in"))
    assert "invited by ann@example.com" in follow(link, bob.client).text
    # Nobody else gets in with it, even if the account is gone; a withdrawn one is over.
    bob.user.delete()
    use(mailbox, settings, REGISTRATION="off")
    refused = follow(link, Client())
    assert refused.status_code == 403
    assert "No account has the address bob@example.com." in refused.text
    ann.post("withdraw", desk.pk, desk.invitations.get().pk)
    assert follow(link, Client()).status_code == 410


def test_an_invitation_whose_mail_fails_stays(
    ann: Person, desk: Organisation, mailbox: Mailbox
) -> None:
    shown = invite(ann, desk, "bob@full.example")
    assert "bob@full.example was invited." in shown.text
    assert "cannot send mails now" in shown.text
    assert desk.invitations.count() == 1
    for _ in range(throttling.MAILS_PER_HOUR):
        shown = invite(ann, desk, "bob@full.example")
    assert "bob@full.example was invited." in shown.text
    assert "too many mails" in shown.text
    # A member who gets another role gets no mail.
    invite(ann, desk, "ann@example.com", "owner")
    assert not mailbox.mails


def test_without_mail_there_are_no_such_pages(client: Client) -> None:
    for name in ("register", "registered", "reset"):
        assert client.get(url(name)).status_code == 404
    assert "ask the administrator" in client.get(url("sign_in")).text
