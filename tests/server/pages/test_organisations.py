from __future__ import annotations

import re

import pytest

from django_visualsnoop.server.models import Membership, Organisation
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add, person

pytestmark = pytest.mark.django_db


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
    ann.post("organisation", desk.pk, email="BOB@example.com", role="member")
    fields = {"name": "Holidays", "keeps": "nothing"}
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
    bob = person("bob")
    told = []
    for email in ("nobody@example.com", "bob@example.com"):
        answer = ann.post("organisation", desk.pk, email=email, role="member")
        assert answer.status_code == 302
        shown = ann.client.get(answer.headers["Location"]).text
        said = re.search(r"If an account has the address.*?now", shown)
        assert said is not None
        told.append((answer.headers["Location"], said[0].replace(email, "")))
    assert told[0] == told[1]
    assert desk.memberships.filter(user=bob.user).exists()


def test_who_left_an_organisation_takes_back_what_is_shared(
    ann: Person, desk: Organisation
) -> None:
    bob = person("bob")
    ann.post("organisation", desk.pk, email="bob@example.com", role="member")
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
    ann.post("organisation", desk.pk, email="bob@example.com", role="member")
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
