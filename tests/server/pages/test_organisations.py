from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, connections, transaction

from django_visualsnoop.common.transactions import begin_writing
from django_visualsnoop.server import transactions
from django_visualsnoop.server.models import Invitation, Membership, Organisation
from django_visualsnoop.server.pages import organisations
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add, person, url
from tests.server.serving import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

#: Rows of who is in an organisation, or may be.
MODELS = (Organisation, Membership, Invitation)


@pytest.fixture
def desk(ann: Person) -> Organisation:
    """Made on its page, by ann."""
    assert ann.post("organisations", name="").status_code == 400
    ann.post("organisations", name="Desk")
    made = Organisation.objects.get()
    assert made.memberships.get().user == ann.user
    return made


def test_sharing_and_no_longer(ann: Person, desk: Organisation) -> None:
    bob, hosted = person("bob"), ann.collection()
    add(hosted, "one", image(1))
    join(ann, desk, bob)
    fields = {"name": "Holidays", "retention": "nothing"}
    ann.post("settings", hosted.pk, **fields, organisation=desk.pk)
    assert "shared with Desk" in bob.get("collections").text
    assert "Holidays" in bob.get("organisation", desk.pk).text
    assert "Settings" not in bob.get("search", hosted.pk).text
    ann.post("organisation", desk.pk, email="bob@example.com", role="owner")
    assert bob.get("keys", hosted.pk).status_code == 200
    # It is not bob's to give to another organisation, or to nobody.
    assert "organisation" not in bob.get("settings", hosted.pk).context["form"].fields
    bob.post("settings", hosted.pk, **fields)
    hosted.refresh_from_db()
    assert hosted.organisation == desk
    ann.post("settings", hosted.pk, **fields)
    assert bob.get("search", hosted.pk).status_code == 404


def test_nobody_is_told_which_addresses_have_accounts(ann: Person, desk: Organisation) -> None:
    """Byte by byte, but for the address itself and the number of the invitation."""
    person("known")
    get_user_model().objects.create_user("other", "Twice@example.com")
    get_user_model().objects.create_user("another", "twice@example.com")
    get_user_model().objects.create_user("gone", "gone@example.com", is_active=False)
    told = []
    for email in [f"{name}@example.com" for name in ("nobody", "known", "twice", "gone")]:
        pages = [ann.post("organisation", desk.pk, email=email, role="member")]
        pages += [ann.get("organisation", desk.pk) for _ in range(2)]
        pages += [ann.post("organisation", desk.pk, email=email.upper(), role="owner")]
        pages += [ann.get("organisation", desk.pk), ann.get("organisations")]
        pages += [ann.post("withdraw", desk.pk, desk.invitations.get().pk)]
        pages += [ann.get("organisation", desk.pk)]
        told.append([neutral(one, email) for one in pages])
        assert "<li" in told[-1][1][1]
        assert desk.memberships.count() == 1
    assert told[0] == told[1] == told[2] == told[3]


def neutral(answer: Any, email: str) -> Any:
    """Return an answer without its tokens, an address and the number of an invitation."""
    text = re.sub(r'value="\w{64}"', "", answer.text)
    text = re.sub(re.escape(email), "ADDRESS", text, flags=re.IGNORECASE)
    headers = {name: value for name, value in answer.items() if name != "Expires"}
    return answer.status_code, re.sub(r"/invitations/\d+/", "", text), headers


def test_accepting(ann: Person, desk: Organisation) -> None:
    bob, eve = person("bob"), person("eve")
    ann.post("organisation", desk.pk, email="BOB@example.com", role="owner")
    listed = ann.get("organisation", desk.pk).text
    assert 'BOB@example.com</span> <span class="quiet">invited as: Owner' in listed
    # An invitation is no membership.
    assert bob.get("organisation", desk.pk).status_code == 404
    assert "You are invited to an organisation." in bob.get("collections").text
    shown = bob.get("organisations").text
    assert "Desk" in shown
    assert "invited by ann@example.com, as: Owner" in shown
    for name in ("collections", "organisations"):
        assert "nvit" not in eve.get(name).text
    pk = desk.invitations.get().pk
    for name in ("accept", "decline"):
        assert eve.post(name, pk).status_code == 404
    answer = bob.post("accept", pk)
    assert answer.url == url("organisation", desk.pk)
    assert "You are now a member of Desk." in bob.client.get(answer.url).text
    assert desk.memberships.get(user=bob.user).role == Membership.Role.OWNER
    assert not desk.invitations.exists()
    assert "invited" not in ann.get("organisation", desk.pk).text
    assert bob.post("accept", pk).status_code == 404
    # Accepting once does not count for ever.
    ann.post("remove_member", desk.pk, desk.memberships.get(user=bob.user).pk)
    assert bob.post("accept", pk).status_code == 404


def test_declining(ann: Person, desk: Organisation) -> None:
    bob = person("bob")
    ann.post("organisation", desk.pk, email="bob@example.com", role="member")
    pk = desk.invitations.get().pk
    assert "The invitation was declined." in follow(bob, "decline", pk)
    assert bob.post("accept", pk).status_code == 404
    assert bob.post("decline", pk).status_code == 404
    assert desk.memberships.count() == 1
    # He may be asked again.
    ann.post("organisation", desk.pk, email="bob@example.com", role="member")
    assert bob.post("accept", desk.invitations.get().pk).status_code == 302


def test_withdrawing(ann: Person, desk: Organisation) -> None:
    bob = person("bob")
    ann.post("organisation", desk.pk, email="bob@example.com", role="member")
    pk = desk.invitations.get().pk
    assert "The invitation was withdrawn." in follow(ann, "withdraw", desk.pk, pk)
    for name in ("accept", "decline"):
        assert bob.post(name, pk).status_code == 404
    assert "Desk" not in bob.get("organisations").text
    said = "This invitation was already accepted, declined or withdrawn."
    assert said in follow(ann, "withdraw", desk.pk, pk)


def test_an_invitation_is_withdrawn_by_owners_of_its_own_organisation(
    ann: Person, eve: Person, desk: Organisation
) -> None:
    join(ann, desk, person("bob"))
    ann.post("organisation", desk.pk, email="cid@example.com", role="member")
    pk = desk.invitations.get().pk
    eve.post("organisations", name="Eves")
    eves = Organisation.objects.get(name="Eves")
    eve.post("withdraw", eves.pk, pk)
    assert desk.invitations.exists()


def test_members_do_not_see_who_is_invited(ann: Person, desk: Organisation) -> None:
    bob = person("bob")
    join(ann, desk, bob)
    ann.post("organisation", desk.pk, email="cid@example.com", role="member")
    assert "cid" not in bob.get("organisation", desk.pk).text
    assert bob.post("withdraw", desk.pk, desk.invitations.get().pk).status_code == 403
    answer = bob.post("organisation", desk.pk, email="dan@example.com", role="member")
    assert answer.status_code == 403
    assert desk.invitations.count() == 1


def test_inviting_twice_is_one_invitation_with_the_later_role(
    ann: Person, desk: Organisation
) -> None:
    for email, role in (("bob@example.com", "owner"), ("Bob@Example.com", "member")):
        ann.post("organisation", desk.pk, email=email, role=role)
    invitation = desk.invitations.get()
    assert (invitation.email, invitation.role) == ("Bob@Example.com", "member")


def test_inviting_a_member_changes_the_role(ann: Person, desk: Organisation) -> None:
    bob = person("bob")
    join(ann, desk, bob)
    shown = follow(ann, "organisation", desk.pk, email="BOB@example.com", role="owner")
    assert "BOB@example.com is a member already. The role is now: Owner." in shown
    assert desk.memberships.get(user=bob.user).role == Membership.Role.OWNER
    assert not desk.invitations.exists()


def test_who_became_a_member_otherwise_keeps_the_role(ann: Person, desk: Organisation) -> None:
    bob = person("bob")
    ann.post("organisation", desk.pk, email="bob@example.com", role="member")
    desk.memberships.create(user=bob.user, role="owner")
    bob.post("accept", desk.invitations.get().pk)
    assert desk.memberships.get(user=bob.user).role == Membership.Role.OWNER
    assert not desk.invitations.exists()


@pytest.mark.parametrize("email", ["", "stra\u00dfe@example.com", "\u212aate@example.com"])
def test_an_invitation_is_for_its_very_address(ann: Person, desk: Organisation, email: str) -> None:
    """Not for accounts without one, nor for letters that are the same to some databases."""
    eve = Person(get_user_model().objects.create_user("eve", email))
    eve.client.force_login(eve.user)
    for invited in ("strasse@example.com", "kate@example.com", "bob@example.com"):
        ann.post("organisation", desk.pk, email=invited, role="member")
    assert desk.invitations.count() == 3
    assert "Desk" not in eve.get("organisations").text
    for invitation in desk.invitations.all():
        assert eve.post("accept", invitation.pk).status_code == 404


def test_what_is_no_address_is_not_invited(ann: Person, desk: Organisation) -> None:
    for email in ("", "bob", "b\0b@example.com", f"{'b' * 60}@{'e' * 60}.{'e.' * 100}com"):
        answer = ann.post("organisation", desk.pk, email=email, role="member")
        assert answer.status_code == 400
    answer = ann.post("organisation", desk.pk, email="bob@example.com", role="king")
    assert answer.status_code == 400
    assert not desk.invitations.exists()


def test_there_are_not_too_many_invitations(
    ann: Person, desk: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organisations, "MAX_INVITATIONS", 2)
    person("known")
    for name in ("one", "two"):
        follow(ann, "organisation", desk.pk, email=f"{name}@example.com", role="member")
    told = []
    for email in ("nobody@example.com", "known@example.com"):
        answer = ann.post("organisation", desk.pk, email=email, role="member")
        assert answer.status_code == 409
        told.append(neutral(answer, email))
    assert "An organisation can have 2 open invitations." in told[0][1]
    assert told[0] == told[1]
    # One of those that there are may still change.
    ann.post("organisation", desk.pk, email="two@example.com", role="owner")
    assert sorted(desk.invitations.values_list("email", "role")) == [
        ("one@example.com", "member"),
        ("two@example.com", "owner"),
    ]


@pytest.mark.parametrize("gone", ["organisation", "whoever invited", "whoever is invited"])
def test_what_is_left_of_an_invitation(ann: Person, desk: Organisation, gone: str) -> None:
    bob, cid = person("bob"), person("cid")
    join(ann, desk, cid, "owner")
    ann.post("organisation", desk.pk, email="bob@example.com", role="member")
    pk = desk.invitations.get().pk
    assert "invited as: Member" in cid.get("organisation", desk.pk).text
    listed = neutral(cid.get("organisation", desk.pk), "bob@example.com")
    if gone == "organisation":
        cid.post("delete_organisation", desk.pk)
        assert not Invitation.objects.exists()
    elif gone == "whoever invited":
        ann.user.delete()
        assert "invited as: Member" in bob.get("organisations").text
        assert bob.post("accept", pk).status_code == 302
    else:
        bob.user.delete()
        assert neutral(cid.get("organisation", desk.pk), "bob@example.com") == listed
        bob = person("bob")  # whose account comes later
        assert bob.post("accept", pk).status_code == 302
    if gone == "organisation":
        for name in ("accept", "decline"):
            assert bob.post(name, pk).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_accepting_while_it_is_withdrawn(ann: Person, desk: Organisation) -> None:
    """Either is done, and whoever did the other is told so."""
    for number in range(8):
        bob = person(f"bob{number}")
        ann.post("organisation", desk.pk, email=bob.user.email, role="member")
        pk = desk.invitations.get().pk
        accepted, withdrawn = at_once((bob, "accept", pk), (ann, "withdraw", desk.pk, pk))
        is_member = desk.memberships.filter(user=bob.user).exists()
        assert accepted.status_code == (302 if is_member else 404)
        assert withdrawn.status_code == 302
        said = ann.get("organisation", desk.pk).text
        assert ("The invitation was withdrawn." in said) is not is_member
        assert not desk.invitations.exists()


@pytest.mark.django_db(transaction=True)
def test_accepting_while_the_organisation_is_deleted(ann: Person) -> None:
    bob = person("bob")
    for _turn in range(8):
        ann.post("organisations", name="Desk")
        desk = Organisation.objects.get()
        ann.post("organisation", desk.pk, email="bob@example.com", role="member")
        pk = desk.invitations.get().pk
        accepted, deleted = at_once((bob, "accept", pk), (ann, "delete_organisation", desk.pk))
        assert accepted.status_code in (302, 404)
        assert deleted.status_code == 302
        for table in MODELS:
            assert not table.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["invite", "accept", "withdraw", "leave", "delete"])
def test_members_change_one_after_the_other(ann: Person, desk: Organisation, name: str) -> None:
    """What decides who is in an organisation is asked, and written, while others wait."""
    bob, cid = person("bob"), person("cid")
    join(ann, desk, bob)
    ann.post("organisation", desk.pk, email=cid.user.email, role="member")
    invitation, membership = desk.invitations.get().pk, desk.memberships.get(user=bob.user).pk
    press: Callable[[], Any] = {
        "invite": lambda: ann.post("organisation", desk.pk, email="eva@example.com", role="member"),
        "accept": lambda: cid.post("accept", invitation),
        "withdraw": lambda: ann.post("withdraw", desk.pk, invitation),
        "leave": lambda: bob.post("remove_member", desk.pk, membership),
        "delete": lambda: ann.post("delete_organisation", desk.pk),
    }[name]
    written = []

    def refused_meanwhile(execute: Any, sql: str, *rest: Any) -> Any:
        changes = re.match(r"(INSERT INTO|UPDATE|DELETE FROM) \W?(\w+)", sql)
        if changes and changes[2] in {model._meta.db_table for model in MODELS}:
            with ThreadPoolExecutor(1) as other, pytest.raises(OperationalError):
                other.submit(lock_at_once, desk.pk).result(PATIENCE)
            written.append(changes[2])
        return execute(sql, *rest)

    with connection.execute_wrapper(refused_meanwhile):
        assert press().status_code == 302
    assert written


def lock_at_once(pk: int) -> None:
    """Lock an organisation for a change, without waiting for whoever has the lock."""
    try:
        with transactions.without_waiting(connection.alias), transaction.atomic():
            begin_writing(Organisation, using=connection.alias)
            nowait = connection.features.has_select_for_update_nowait
            Organisation.objects.select_for_update(nowait=nowait).get(pk=pk)
    finally:
        connections.close_all()


def at_once(*buttons: Any) -> list[Any]:
    """Press buttons, each of one person, at the same time, and return what is answered."""
    going = threading.Barrier(len(buttons))

    def press(button: Any) -> Any:
        who, *where = button
        try:
            going.wait(PATIENCE)
            return who.post(*where)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(buttons)) as people:
        return list(people.map(press, buttons))


def join(ann: Person, desk: Organisation, who: Person, role: str = "member") -> None:
    ann.post("organisation", desk.pk, email=who.user.email, role=role)
    assert who.post("accept", desk.invitations.get().pk).status_code == 302


def follow(who: Person, name: str, *args: object, **data: Any) -> str:
    """Press a button, and return the page that comes next."""
    text: str = who.client.post(url(name, *args), data, follow=True).text
    return text


def test_who_left_an_organisation_takes_back_what_is_shared(
    ann: Person, desk: Organisation
) -> None:
    bob = person("bob")
    join(ann, desk, bob)
    bobs = bob.collection(organisation=desk)
    ann.post("remove_member", desk.pk, desk.memberships.get(user=bob.user).pk)
    assert bob.get("organisation", desk.pk).status_code == 404
    # It is shared still, and its page says so; renaming it changes nothing of that.
    form = bob.get("settings", bobs.pk).context["form"]
    assert form["organisation"].value() == desk.pk
    assert [choice for choice, _ in form.fields["organisation"].choices] == ["", desk.pk]
    shown = {field.name: field.value() or "" for field in form}
    assert bob.post("settings", bobs.pk, **{**shown, "name": "Renamed"}).status_code == 302
    assert "Renamed" in ann.get("collections").text
    # The same once there is another organisation to choose.
    bob.post("organisations", name="Bob's")
    form = bob.get("settings", bobs.pk).context["form"]
    shown = {field.name: field.value() or "" for field in form}
    bob.post("settings", bobs.pk, **{**shown, "name": "Again"})
    assert "Again" in ann.get("collections").text
    bob.post("settings", bobs.pk, **{**shown, "organisation": ""})
    assert ann.get("search", bobs.pk).status_code == 404
    # And it is no choice any more.
    shown["organisation"] = str(desk.pk)
    assert bob.post("settings", bobs.pk, **shown).status_code == 400


def test_an_owner_is_left(ann: Person, desk: Organisation) -> None:
    bob = person("bob")
    join(ann, desk, bob)
    anns = desk.memberships.get(user=ann.user)
    for answer in (
        ann.post("remove_member", desk.pk, anns.pk),
        ann.post("organisation", desk.pk, email="ann@example.com", role="member"),
    ):
        assert answer.status_code == 409
        assert "An organisation needs an owner" in answer.text
    assert desk.memberships.get(user=ann.user).role == Membership.Role.OWNER
    assert bob.post("remove_member", desk.pk, anns.pk).status_code == 403
    ann.post("organisation", desk.pk, email="bob@example.com", role="owner")
    assert (
        "You have left Desk."
        in ann.client.post(f"/organisations/{desk.pk}/members/{anns.pk}/remove/", follow=True).text
    )
    assert ann.get("organisation", desk.pk).status_code == 404
    ann.post("delete_organisation", desk.pk)
    assert Organisation.objects.exists()


def test_deleting_one_leaves_the_collections(ann: Person, desk: Organisation) -> None:
    hosted = ann.collection(organisation=desk)
    assert "Delete the organisation?" in ann.get("delete_organisation", desk.pk).text
    ann.post("delete_organisation", desk.pk)
    hosted.refresh_from_db()
    assert hosted.organisation is None
    assert not Organisation.objects.exists()
