"""What forms accept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from django_visualsnoop.server.models import HostedCollection, Key
from tests.server.pages.making_keys import make

if TYPE_CHECKING:
    from tests.server.pages.conftest import Person

pytestmark = pytest.mark.django_db


def test_what_it_allows_and_for_how_long(ann: Person, hosted: HostedCollection) -> None:
    make(ann, hosted, scopes=["search"], days="30")
    key = Key.objects.get()
    assert (key.may_read, key.may_search, key.may_write) == (False, True, False)
    assert key.expires_at is not None
    assert 29 <= (key.expires_at - timezone.now()).days <= 30
    none = make(ann, hosted, scopes=[])
    assert none.status_code == 400
    assert "Choose at least one" in none.text
    assert Key.objects.count() == 1
