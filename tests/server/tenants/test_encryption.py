from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from django_visualsnoop.server.tenants.encryption import (
    CannotDecrypt,
    decrypt,
    encrypt,
    get_decoy,
    reencrypt,
)

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


def test_what_is_encrypted_can_be_opened_and_is_not_seen() -> None:
    encrypted = encrypt("s3cret")
    assert "s3cret" not in encrypted
    assert encrypt("s3cret") != encrypted
    assert decrypt(encrypted) == "s3cret"
    assert len(decrypt(get_decoy())) == 40


def test_the_key_is_not_the_secret_key_itself(settings: Settings) -> None:
    encrypted = encrypt("s3cret")
    settings.SECRET_KEY = "another one"
    with pytest.raises(CannotDecrypt, match="visualsnoop_reencrypt"):
        decrypt(encrypted)
    with pytest.raises(CannotDecrypt):
        reencrypt(encrypted)
    settings.SECRET_KEY_FALLBACKS = ["only for tests"]
    assert decrypt(encrypted) == "s3cret"


def test_keys_may_be_given(settings: Settings) -> None:
    derived = encrypt("s3cret")
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.VISUALSNOOP_SERVER = {"ENCRYPTION_KEYS": [old]}
    given = encrypt("s3cret")
    settings.VISUALSNOOP_SERVER = {"ENCRYPTION_KEYS": [new, old]}
    assert decrypt(derived) == decrypt(given) == "s3cret"
    anew = reencrypt(given)
    settings.VISUALSNOOP_SERVER = {"ENCRYPTION_KEYS": [new]}
    assert decrypt(anew) == "s3cret"
    with pytest.raises(CannotDecrypt):
        decrypt(given)
