"""Signed data for links in mails."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from django_visualsnoop.server.tenants.tenancy import get_address


class BadLink(ValueError):  # noqa: N818
    """The link was changed, is too old, or is for another purpose."""


def sign_link(purpose: str, data: dict[str, Any]) -> str:
    """Return data as text for a URL. Everyone can read it, and nobody can change it.

    Args:
        purpose: a word; the text is valid only for this purpose.
        data: a JSON object.
    """
    return signing.dumps(data, salt=_get_salt(purpose))


def read_link(purpose: str, text: str) -> dict[str, Any]:
    """Return the data of ``sign_link``; it is valid for ``PASSWORD_RESET_TIMEOUT`` seconds.

    Raises:
        BadLink: somebody else made the text, or it is too old.
    """
    try:
        data: dict[str, Any] = signing.loads(
            text, salt=_get_salt(purpose), max_age=settings.PASSWORD_RESET_TIMEOUT
        )
    except signing.BadSignature:
        raise BadLink from None
    return data


def get_state(user: Any) -> str:
    """Return a text that changes with the password and the address of a user.

    A link that contains it is valid until one of them changes.
    """
    value = f"{user.password} {get_address(user)}"
    return salted_hmac(__name__, value, algorithm="sha256").hexdigest()


def is_same_state(user: Any, state: str) -> bool:
    return constant_time_compare(get_state(user), state)


def _get_salt(purpose: str) -> str:
    return f"{__name__}.{purpose}"
