"""Users of every kind, and what the admin's pages are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client


@pytest.fixture
def logged_in(client: Client, db: None) -> Callable[..., Client]:
    """Log in a user of the staff with these permissions; with none given, a superuser."""

    def log_in(*codenames: str) -> Client:
        user: Any = User.objects.create(username="staff", is_staff=True, is_superuser=not codenames)
        found = Permission.objects.filter(codename__in=codenames)
        assert len(found) == len(codenames)
        user.user_permissions.set(found)
        client.force_login(user)
        return client

    return log_in
