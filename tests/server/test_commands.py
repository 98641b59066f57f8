from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_visualsnoop.server.models import HostedCollection, Key
from django_visualsnoop.server.tenants import accounts
from tests.server.hosting import Tenant, call

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def made(capsys: pytest.CaptureFixture[str], name: str, *arguments: str) -> Tenant:
    call_command(f"visualsnoop_{name}", *arguments)
    shown: dict[str, str] = json.loads(capsys.readouterr().out)
    assert set(shown) == {"collection_id", "public_key", "secret_key"}
    return Tenant(shown["collection_id"], shown["public_key"], shown["secret_key"])


def refused(name: str, *arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command(f"visualsnoop_{name}", *arguments)
    return str(caught.value)


def test_a_collection_for_a_new_owner(capsys: pytest.CaptureFixture[str]) -> None:
    ann = made(capsys, "createcollection", "--owner", "ann@example.com", "--name", "Holidays")
    about = call(ann, "GET", "/collection").body
    assert about == {
        "collection_id": ann.collection_id,
        "collection_name": "Holidays",
        "user": "ann@example.com",
        "message": "OK",
        "status": 200,
    }
    owner = get_user_model().objects.get()
    assert not owner.has_usable_password()
    # The second collection is the same owner's.
    made(capsys, "createcollection", "--owner", "Ann@Example.com", "--name", "Holidays")
    assert get_user_model().objects.get() == owner
    assert HostedCollection.objects.filter(owner=owner).count() == 2


def test_an_owner_without_an_address_is_called_by_name(ann: Tenant) -> None:
    get_user_model().objects.update(username="ann", email="")
    assert call(ann, "GET", "/collection").body["user"] == "ann"


def test_owners_that_cannot_be(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(owner: str, name: str = "x") -> str:
        return refused("createcollection", "--owner", owner, "--name", name)

    assert "'ann' is not an e-mail address" in create("ann")
    users: Any = get_user_model().objects
    for name in ("one", "two"):
        users.create_user(name, "both@example.com")
    assert "Several users have the address both@example.com" in create("both@example.com")
    assert "0 characters" in create("ann@example.com", " ")
    assert "256 characters" in create("ann@example.com", "x" * 256)
    users.create_user("taken@example.com", "other@example.com")
    assert "createsuperuser" in create("taken@example.com")
    with pytest.raises(accounts.NoAccount, match="username"):
        accounts.get_or_create_account("taken@example.com")
    assert not HostedCollection.objects.exists()


def test_further_keys(ann: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    key = made(
        capsys,
        "createkey",
        ann.collection_id,
        *("--scopes", "read, search"),
        *("--not-before", "2020-01-01T12:00:00", "--expires", "2099-01-01T12:00:00+00:00"),
        "--no-v1",
    ).key
    assert (key.may_read, key.may_search, key.may_write) == (True, True, False)
    assert key.not_before is not None
    assert key.expires_at is not None
    assert key.not_before < timezone.now() < key.expires_at
    assert not key.allow_v1
    assert "visualsnoop_revokekey" in refused("createkey", ann.collection_id)
    call_command("visualsnoop_revokekey", ann.public_key)
    assert capsys.readouterr().out == f"Revoked the key {ann.public_key}.\n"
    assert "or it is revoked already" in refused("revokekey", ann.public_key)


def test_keys_that_cannot_be(ann: Tenant) -> None:
    assert "'12345678'" in refused("createkey", "12345678")
    assert "'all'" in refused("createkey", ann.collection_id, "--scopes", "all")
    for wrong in ("tomorrow", "2020-13-01T00:00:00"):
        text = refused("createkey", ann.collection_id, "--expires", wrong)
        assert text == (
            f"--expires must be a time such as 2030-01-31T12:00:00+00:00, not {wrong!r}."
        )
    assert Key.objects.count() == 1
