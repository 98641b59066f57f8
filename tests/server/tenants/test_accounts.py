"""Accounts, by their addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model

from django_visualsnoop.server.models import HostedCollection
from django_visualsnoop.server.tenants import accounts
from tests.server.management.commands.running import refused

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


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
