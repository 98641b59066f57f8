"""Making a further key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_visualsnoop.server.models import Key
from tests.server.management.commands.running import made, refused

if TYPE_CHECKING:
    from tests.server.hosting import Tenant

pytestmark = pytest.mark.django_db


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
