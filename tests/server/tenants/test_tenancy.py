"""Who sees a collection, who manages it, and whose an invitation is."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from django_visualsnoop.server.models import (
    HostedCollection,
    Invitation,
    Membership,
    Organisation,
)
from django_visualsnoop.server.tenants.tenancy import (
    get_address,
    get_invitations,
    get_organisations,
    get_visible_collections,
    hash_address,
    is_owner,
    may_manage,
)

pytestmark = pytest.mark.django_db

MEMBER, OWNER = Membership.Role.MEMBER, Membership.Role.OWNER


def user(name: str, **fields: Any) -> Any:
    return get_user_model().objects.create(username=name, email=f"{name}@example.com", **fields)


@pytest.fixture
def shared() -> HostedCollection:
    """Ann's collection, shared with a desk of Bob, a member, and Carol, an owner."""
    desk = Organisation.objects.create(name="Desk")
    for name, role in (("bob", MEMBER), ("carol", OWNER)):
        Membership.objects.create(organisation=desk, user=user(name), role=role)
    return HostedCollection.objects.create(name="Photos", owner=user("ann"), organisation=desk)


@pytest.mark.parametrize(
    ("name", "sees", "manages"),
    [("ann", True, True), ("bob", True, False), ("carol", True, True), ("eve", False, False)],
)
def test_members_see_what_is_shared_and_owners_manage_it(
    shared: HostedCollection, name: str, sees: bool, manages: bool
) -> None:
    user("eve", is_superuser=True)  # sees nobody else's either
    HostedCollection.objects.create(name="Beside", owner=user("dan"))
    found = get_user_model().objects.get(username=name)
    assert list(get_visible_collections(found)) == ([shared] if sees else [])
    assert may_manage(found, shared) is manages


def test_what_is_no_longer_shared_is_its_owners_alone(shared: HostedCollection) -> None:
    shared.organisation = None
    shared.save()
    users = {one.username: one for one in get_user_model().objects.all()}
    assert list(get_visible_collections(users["ann"])) == [shared]
    for name in ("bob", "carol"):
        assert not get_visible_collections(users[name])
        assert not may_manage(users[name], shared)


def test_an_owner_is_one_of_that_organisation_only(shared: HostedCollection) -> None:
    other = Organisation.objects.create(name="Other")
    bob, carol = (get_user_model().objects.get(username=name) for name in ("bob", "carol"))
    assert shared.organisation_id is not None
    assert is_owner(carol, shared.organisation_id)
    assert not is_owner(carol, other.pk)
    assert not is_owner(bob, shared.organisation_id)
    assert list(get_organisations(bob)) == [shared.organisation]


def test_an_invitation_is_for_the_account_of_its_address(shared: HostedCollection) -> None:
    assert shared.organisation is not None
    made = Invitation.objects.create(
        organisation=shared.organisation,
        email="Dan@Example.com",
        digest=hash_address("Dan@Example.com"),
        role=MEMBER,
    )
    assert list(get_invitations(user("dan"))) == [made]
    assert not get_invitations(user("eve"))
    nameless = user("nobody")
    nameless.email = ""
    assert get_address(nameless) == ""
    assert not get_invitations(nameless)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ann@Example.COM", "ann@example.com", True),
        ("ann@straße.example", "ann@strasse.example", False),
        ("ÄNN@example.com", "änn@example.com", False),
        ("ann@example.com", "anne@example.com", False),
    ],
)
def test_addresses_differ_by_more_than_the_case_of_ascii(one: str, other: str, same: bool) -> None:
    assert (hash_address(one) == hash_address(other)) is same
