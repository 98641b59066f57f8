"""Secrets at rest: encrypted with Fernet, under keys that can be replaced."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

from django_visualsnoop.server.conf import options

#: Sets these keys apart from all else that is derived from SECRET_KEY.
_PURPOSE = b"django_visualsnoop.server: secrets of keys, 1"


class CannotUnseal(ValueError):  # noqa: N818
    """A secret was encrypted under a key that is not among the present ones."""

    def __init__(self) -> None:
        super().__init__(
            "The secret was encrypted under a key that is gone. Add the SECRET_KEY of then to "
            'SECRET_KEY_FALLBACKS, or its key to VISUALSNOOP_SERVER["ENCRYPTION_KEYS"]; then type '
            "python manage.py visualsnoop_reseal"
        )


def seal(secret: str) -> str:
    """Return a secret, encrypted under the newest key."""
    return _fernet().encrypt(secret.encode()).decode("ascii")


def unseal(sealed: str) -> str:
    """Return the secret that ``seal`` was given.

    Raises:
        CannotUnseal: it is none of the present keys' work.
    """
    try:
        return _fernet().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise CannotUnseal from None


def reseal(sealed: str) -> str:
    """Return the same secret, encrypted under the newest key.

    Raises:
        CannotUnseal: it is none of the present keys' work.
    """
    try:
        return _fernet().rotate(sealed.encode()).decode("ascii")
    except InvalidToken:
        raise CannotUnseal from None


def decoy() -> str:
    """Return some secret of nobody's, sealed; opening it takes as long as opening another."""
    return _decoy(_fernet())


@lru_cache(maxsize=4)
def _decoy(fernet: MultiFernet) -> str:
    return fernet.encrypt(b"0" * 40).decode("ascii")


def _fernet() -> MultiFernet:
    # Those derived from SECRET_KEY still open what was sealed before others were given.
    derived_from = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return _made(options().encryption_keys, tuple(map(force_bytes, derived_from)))


@lru_cache(maxsize=4)
def _made(given: tuple[str, ...], derived_from: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([*map(Fernet, given), *(Fernet(_derived(key)) for key in derived_from)])


def _derived(secret_key: bytes) -> bytes:
    # RFC 5869.
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
    return urlsafe_b64encode(derivation.derive(secret_key))
