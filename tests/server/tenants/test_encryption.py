from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from django_visualsnoop.server.tenants.encryption import CannotUnseal, decoy, reseal, seal, unseal
from tests.server.hosting import Tenant, another_key, call

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


def test_what_is_sealed_can_be_opened_and_is_not_seen() -> None:
    sealed = seal("s3cret")
    assert "s3cret" not in sealed
    assert seal("s3cret") != sealed
    assert unseal(sealed) == "s3cret"
    assert len(unseal(decoy())) == 40


def test_the_key_is_not_the_secret_key_itself(settings: Settings) -> None:
    sealed = seal("s3cret")
    settings.SECRET_KEY = "another one"
    with pytest.raises(CannotUnseal, match="visualsnoop_reseal"):
        unseal(sealed)
    with pytest.raises(CannotUnseal):
        reseal(sealed)
    settings.SECRET_KEY_FALLBACKS = ["only for tests"]
    assert unseal(sealed) == "s3cret"


def test_keys_may_be_given(settings: Settings) -> None:
    derived = seal("s3cret")
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.VISUALSNOOP_SERVER = {"ENCRYPTION_KEYS": [old]}
    given = seal("s3cret")
    settings.VISUALSNOOP_SERVER = {"ENCRYPTION_KEYS": [new, old]}
    assert unseal(derived) == unseal(given) == "s3cret"
    anew = reseal(given)
    settings.VISUALSNOOP_SERVER = {"ENCRYPTION_KEYS": [new]}
    assert unseal(anew) == "s3cret"
    with pytest.raises(CannotUnseal):
        unseal(given)


def test_all_are_sealed_anew(
    ann: Tenant, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    other = another_key(ann.collection_id)
    settings.SECRET_KEY = "another one"
    settings.SECRET_KEY_FALLBACKS = ["only for tests"]
    call_command("visualsnoop_reseal")
    assert capsys.readouterr().out == "2 secrets are encrypted anew.\n"
    settings.SECRET_KEY_FALLBACKS = []
    assert call(ann, "GET", "/collection").status == 200
    other.change_key(sealed_secret="broken")
    with pytest.raises(CommandError, match=f"1 secrets .* 1 could not .*{other.public_key}"):
        call_command("visualsnoop_reseal")
