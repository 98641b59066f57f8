"""Making a collection and its first key."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from django_visualsnoop.server.models import HostedCollection
from tests.server.hosting import call
from tests.server.management.commands.running import made

pytestmark = pytest.mark.django_db


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
