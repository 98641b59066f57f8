"""Revoking a key."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from tests.server.hosting import Tenant, another_key, call
from tests.server.management.commands.running import refused

pytestmark = pytest.mark.django_db


def test_a_revoked_key_opens_nothing_and_the_others_still_do(
    ann: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    other = another_key(ann.collection_id)
    call_command("visualsnoop_revokekey", other.public_key)
    assert capsys.readouterr().out == f"Revoked the key {other.public_key}.\n"
    assert call(other, "GET", "/collection").status == 401
    assert call(ann, "GET", "/collection").status == 200


def test_a_key_that_there_is_not_is_named(ann: Tenant) -> None:
    assert repr("0" * 20) in refused("revokekey", "0" * 20)
    assert ann.key.revoked_at is None
