"""Encrypting secrets anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from tests.server.hosting import Tenant, another_key, call

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


def test_all_are_encrypted_anew(
    ann: Tenant, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    other = another_key(ann.collection_id)
    settings.SECRET_KEY = "another one"
    settings.SECRET_KEY_FALLBACKS = ["only for tests"]
    call_command("visualsnoop_reencrypt")
    assert capsys.readouterr().out == "Secrets encrypted again: 2.\n"
    settings.SECRET_KEY_FALLBACKS = []
    assert call(ann, "GET", "/collection").status == 200
    other.change_key(encrypted_secret="broken")
    with pytest.raises(
        CommandError, match=f"again: 1. .* could not be decrypted: {other.public_key}"
    ):
        call_command("visualsnoop_reencrypt")
