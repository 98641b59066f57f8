"""Secrets at rest: encrypted with Fernet, under keys that can be replaced."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

from django_visualsnoop.server.conf import get_options

#: Sets these keys apart from all else that is derived from SECRET_KEY.
_PURPOSE = b"django_visualsnoop.server: secrets of keys, 1"


class CannotDecrypt(ValueError):  # noqa: N818
    """A secret was encrypted under a key that is not among the present ones."""

    def __init__(self) -> None:
        super().__init__(
            "The secret was encrypted with a key that is not in the settings. Add the old "
            "SECRET_KEY to SECRET_KEY_FALLBACKS, or the old key to "
            'VISUALSNOOP_SERVER["ENCRYPTION_KEYS"]. Then type: '
            "python manage.py visualsnoop_reencrypt"
        )


def encrypt(secret: str) -> str:
    """Return a secret, encrypted under the newest key."""
    return _get_fernet().encrypt(secret.encode()).decode("ascii")


def decrypt(encrypted: str) -> str:
    """Return the secret that ``encrypt`` was given.

    Raises:
        CannotDecrypt: none of the present keys decrypts it.
    """
    try:
        return _get_fernet().decrypt(encrypted.encode()).decode()
    except InvalidToken:
        raise CannotDecrypt from None


def reencrypt(encrypted: str) -> str:
    """Return the same secret, encrypted under the newest key.

    Raises:
        CannotDecrypt: none of the present keys decrypts it.
    """
    try:
        return _get_fernet().rotate(encrypted.encode()).decode("ascii")
    except InvalidToken:
        raise CannotDecrypt from None


def get_decoy() -> str:
    """Return an encrypted secret of no key; decrypting it takes as long as decrypting another."""
    return _make_decoy(_get_fernet())


@lru_cache(maxsize=4)
def _make_decoy(fernet: MultiFernet) -> str:
    return fernet.encrypt(b"0" * 40).decode("ascii")


def _get_fernet() -> MultiFernet:
    # Those derived from SECRET_KEY still decrypt what was encrypted before others were given.
    derived_from = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return _make_fernet(get_options().encryption_keys, tuple(map(force_bytes, derived_from)))


@lru_cache(maxsize=4)
def _make_fernet(given: tuple[str, ...], derived_from: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([*map(Fernet, given), *(Fernet(_derive_key(key)) for key in derived_from)])


def _derive_key(secret_key: bytes) -> bytes:
    # RFC 5869.
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
    return urlsafe_b64encode(derivation.derive(secret_key))
