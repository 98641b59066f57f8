"""Whose request it is, and whether that key may do this."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_visualsnoop.server import signatures
from django_visualsnoop.server.answers import Refused
from django_visualsnoop.server.keys import note_use, why_not
from django_visualsnoop.server.models import Key, database
from django_visualsnoop.server.raw_path import signed_path
from django_visualsnoop.server.sealing import CannotUnseal, decoy, unseal

if TYPE_CHECKING:
    from django.http import HttpRequest

logger = logging.getLogger("django_visualsnoop.server")

#: One text for both, so that nobody learns which keys there are.
_WRONG = (
    "The public key is unknown or the signature is wrong. Check the two keys and the endpoint; "
    "behind a proxy that changes the path, the server's setting PATH_PREFIX."
)


def authenticate(request: HttpRequest, scope: str) -> tuple[Key, str]:
    """Return the key that a request is signed with, its collection loaded, and the signature.

    Args:
        request: its body is not looked at.
        scope: what the key must allow: ``"read"``, ``"search"``, ``"write"``, or ``""`` for
            what every key may do.

    Raises:
        Refused: 401 if it is not signed by a key that is accepted now; 403 if that key does not
            allow this.
    """
    credentials = signatures.parse(request.META.get("HTTP_AUTHORIZATION", ""))
    if credentials is None:
        raise _unauthorized(
            "The request is not signed. Its header must have Date, and "
            f"Authorization: {signatures.SCHEME} PUBLIC_KEY:SIGNATURE"
        )
    date = request.META.get("HTTP_DATE", "")
    key = _key(credentials.public_key)
    # An unknown key takes the same work.
    sealed = decoy() if key is None else key.sealed_secret
    expected = _expected(sealed, credentials.public_key, str(request.method), request, date)
    if not signatures.is_same(credentials.signature, expected) or key is None:
        raise _unauthorized(_WRONG)
    now = timezone.now()
    problem = signatures.problem_with_date(date, now) or why_not(key, now)
    if problem is None and not key.allow_v1:
        problem = f"This key does not accept the signature {signatures.SCHEME}."
    if problem is not None:
        raise _unauthorized(problem)
    if scope and not getattr(key, f"may_{scope}"):
        raise Refused(403, f"This key has no scope {scope!r}. Use one that has.")
    note_use(key, now)
    return key, credentials.signature


def _key(public_key: str) -> Key | None:
    if not signatures.is_public_key(public_key):
        return None
    keys = Key.objects.using(database()).select_related("collection")
    return keys.filter(public_key=public_key).first()


@sensitive_variables("secret")
def _expected(sealed: str, public_key: str, method: str, request: HttpRequest, date: str) -> str:
    try:
        secret = unseal(sealed)
    except CannotUnseal as error:
        logger.error("No request with the key %s can be answered: %s", public_key, error)
        raise Refused(500, "The server cannot read this key's secret; its log says why.") from None
    return signatures.sign(secret, method, signed_path(request), date)


def _unauthorized(message: str) -> Refused:
    return Refused(401, message, {"WWW-Authenticate": signatures.SCHEME})
