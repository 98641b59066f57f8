"""The admin of whoever runs the server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from django_visualsnoop.engine.models import Collection
from django_visualsnoop.server.models import (
    HostedCollection,
    Key,
    Organisation,
    Retention,
    StoredPicture,
)
from tests.collections.contract import image
from tests.server.hosting import Tenant, call, tenant

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

ADMIN = "/admin/visualsnoop_server"


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "kept"


def signed_in(**fields: bool) -> Client:
    user = User.objects.create(username="staff", is_staff=True, **fields)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__contains="server"))
    client = Client()
    client.force_login(user)
    return client


def test_keys_are_revoked_and_no_secret_is_shown(ann: Tenant) -> None:
    client = signed_in(is_superuser=True)
    listed = client.get(f"{ADMIN}/key/")
    looked = client.get(f"{ADMIN}/key/{ann.key.pk}/change/")
    for page in (listed, looked):
        assert ann.public_key in page.text
        assert ann.secret not in page.text
        assert ann.key.encrypted_secret not in page.text
    data = {"action": "revoke", "_selected_action": [ann.key.pk]}
    for said in ("Revoked 1 key.", "Revoked 0 keys."):
        assert said in client.post(f"{ADMIN}/key/", data, follow=True).text
    assert call(ann, "GET", "/collection").status == 401
    assert client.get(f"{ADMIN}/key/add/").status_code == 403


def test_what_the_admin_says_of_keys_is_translated(ann: Tenant, settings: Settings) -> None:
    settings.LANGUAGE_CODE = "de"
    client = signed_in(is_superuser=True)
    hour = timedelta(hours=1)
    fields: dict[str, timedelta]
    for state, fields in (
        ("akzeptiert", {}),
        ("noch nicht gültig", {"not_before": hour}),
        ("abgelaufen", {"not_before": -hour, "expires_at": -hour}),
        ("widerrufen", {"revoked_at": -hour}),
    ):
        times = {name: timezone.now() + delta for name, delta in fields.items()}
        Key.objects.filter(pk=ann.key.pk).update(**times)
        page = client.get(f"{ADMIN}/key/").text
        assert f'<td class="field-state">{state}</td>' in page
        assert "Öffentlicher Schlüssel" in page


def test_deleting_a_collection_takes_its_images(ann: Tenant) -> None:
    other = tenant("Other")
    other.limit(retention=Retention.NOTHING)
    for one in (ann, other):
        call(one, "POST", "/image/a", image(1))
    client = signed_in(is_superuser=True)
    asked = client.get(f"{ADMIN}/hostedcollection/{ann.collection_id}/delete/")
    assert "Are you sure" in asked.text
    client.post(f"{ADMIN}/hostedcollection/{ann.collection_id}/delete/", {"post": "yes"})
    assert not StoredPicture.objects.exists()
    assert Collection.objects.get().name == other.collection.gallery_name
    data = {"action": "delete_selected", "_selected_action": [other.collection_id], "post": "yes"}
    client.post(f"{ADMIN}/hostedcollection/", data)
    assert not Key.objects.exists()
    assert not HostedCollection.objects.exists()
    assert not Collection.objects.exists()


def test_limits_are_set_there(ann: Tenant) -> None:
    client = signed_in(is_superuser=True)
    owner = ann.collection.owner.pk
    fields = {"name": "Tests", "owner": owner, "retention": "nothing", "max_images": "5"}
    client.post(f"{ADMIN}/hostedcollection/{ann.collection_id}/change/", fields)
    assert ann.collection.max_images == 5


def test_staff_see_what_is_theirs(ann: Tenant) -> None:
    client = signed_in()
    for path in ("hostedcollection", "key", "organisation", "invitation"):
        page = client.get(f"{ADMIN}/{path}/")
        assert page.status_code == 200
        assert ann.collection_id not in page.text
        assert ann.public_key not in page.text
    assert client.get(f"{ADMIN}/key/{ann.key.pk}/change/").status_code == 302


def test_invitations_are_seen_by_owners_and_withdrawn(ann: Tenant) -> None:
    client, desk = signed_in(), Organisation.objects.create(name="Desk")
    invitation = desk.invitations.create(email="bob@example.com", digest="0", role="member")
    member = desk.memberships.create(user=User.objects.get(username="staff"))
    for role, times in (("member", 0), ("owner", 1)):
        desk.memberships.filter(pk=member.pk).update(role=role)
        page = client.get(f"{ADMIN}/invitation/")
        assert page.text.count("bob@example.com</a>") == times
    assert client.get(f"{ADMIN}/invitation/add/").status_code == 403
    client.post(f"{ADMIN}/invitation/{invitation.pk}/delete/", {"post": "yes"})
    assert not desk.invitations.exists()
