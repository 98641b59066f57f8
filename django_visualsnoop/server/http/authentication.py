"""Authenticate requests, and check whether a key allows them."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http import message_signatures, vshmac
from django_visualsnoop.server.http.raw_path import get_signed_path
from django_visualsnoop.server.tenants.encryption import CannotDecrypt, decrypt, get_decoy
from django_visualsnoop.server.tenants.key_rows import find_key
from django_visualsnoop.server.tenants.keys import explain_refusal, note_use

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

    from django_visualsnoop.server.http.message_signatures import VerifiedSignature
    from django_visualsnoop.server.models import Key

logger = logging.getLogger("django_visualsnoop.server")

BEARER = "Bearer"
#: One text for both, so that nobody can find out which keys exist.
_WRONG = (
    "The public key is unknown or the signature is wrong. Check both keys and the endpoint. If a "
    "proxy changes the path, set PATH_PREFIX on the server."
)
_WRONG_BEARER = (
    "The public key or the secret key is wrong. Send the header "
    f"Authorization: {BEARER} PUBLIC_KEY.SECRET_KEY"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller of a request."""

    #: The key; its collection is loaded.
    key: Key
    #: Differs between requests; empty if nothing is signed.
    signature: str = field(default="", repr=False)
    signed: VerifiedSignature | None = field(default=None, repr=False)
    #: The value of ``WWW-Authenticate`` in refusals.
    challenge: str = vshmac.SCHEME

    def check_key(self) -> None:
        """Check that the key is still accepted, because reading a body may have taken long.

        Raises:
            Refused: 401.
        """
        key = find_key(self.key.public_key)
        problem = _WRONG if key is None else explain_refusal(key, timezone.now())
        if problem is not None:
            raise Refused(401, problem, {"WWW-Authenticate": self.challenge})

    def check_body(self, body: bytes) -> None:
        """Check that the body is the signed one, if the signature covers it.

        Raises:
            Refused: 401.
        """
        if self.signed is not None and not self.signed.covers(body):
            raise Refused(
                401,
                "The body is not the one that was signed. Content-Digest must be its digest.",
                {"WWW-Authenticate": self.challenge},
            )


def authenticate(request: HttpRequest, scope: str, *, bearer: bool = False) -> Caller:
    """Return the caller of a request, and record that the key was used; see ``identify``."""
    caller = identify(request, scope, bearer=bearer)
    note_use(caller.key, timezone.now())
    return caller


def identify(request: HttpRequest, scope: str, *, bearer: bool = False) -> Caller:
    """Return the caller of a request; this writes nothing.

    A request with ``Signature-Input`` has an HTTP message signature (RFC 9421); any other has the
    signature of API v1, or a bearer token.

    Args:
        request: the request; this does not read its body.
        scope: the scope that the key must have: ``"read"``, ``"search"``, ``"write"``, or ``""``
            for calls that every key allows.
        bearer: accept ``Authorization: Bearer PUBLIC_KEY.SECRET_KEY`` (RFC 6750) in place of the
            signature of API v1, which covers neither query nor body.

    Raises:
        Refused: 401 if the request is not from a key that is accepted now; 403 if the key does not
            allow it.
    """
    challenge = BEARER if bearer else vshmac.SCHEME
    now = timezone.now()
    try:
        if "HTTP_SIGNATURE_INPUT" in request.META:
            caller = _identify_by_message_signature(request, now, challenge)
        elif bearer:
            caller = _identify_by_bearer(request)
        else:
            caller = _identify_by_vshmac(request, now)
        problem = explain_refusal(caller.key, now)
        if problem is not None:
            raise Refused(401, problem)
    except Refused as refused:
        if refused.status == 401:
            refused.headers["WWW-Authenticate"] = challenge
        raise
    if scope and not getattr(caller.key, f"may_{scope}"):
        raise Refused(403, f"This key does not have the scope {scope!r}. Use a key that has it.")
    return caller


def _identify_by_message_signature(request: HttpRequest, now: datetime, challenge: str) -> Caller:
    key: Key | None = None
    unreadable: Refused | None = None

    def secret_of(public_key: str) -> bytes:
        nonlocal key, unreadable
        key = _get_key(public_key)
        try:
            return _decrypt_secret(key, public_key)
        except Refused as error:  # the library treats any error as a wrong signature
            unreadable = error
            raise

    try:
        signed = message_signatures.verify_request(request, secret_of)
    except message_signatures.WrongSignature:
        raise unreadable or Refused(401, _WRONG) from None
    if key is None:
        raise Refused(401, _WRONG)
    problem = signed.find_problem(str(request.method), now)
    if problem is not None:
        raise Refused(401, problem)
    return Caller(key, signed.fingerprint, signed, challenge)


@sensitive_variables()
def _identify_by_bearer(request: HttpRequest) -> Caller:
    scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != BEARER.lower():
        raise Refused(
            401,
            f"The request has no key. Send the header Authorization: {BEARER} "
            f"PUBLIC_KEY.SECRET_KEY, or sign the request (RFC 9421): {message_signatures.HOW}",
        )
    public_key, _, secret = credentials.strip().partition(".")
    key = _get_key(public_key)
    expected = _decrypt_secret(key, public_key)
    given = secret.encode("utf-8", "backslashreplace")
    if not hmac.compare_digest(given, expected) or key is None:
        raise Refused(401, _WRONG_BEARER)
    return Caller(key)


def _identify_by_vshmac(request: HttpRequest, now: datetime) -> Caller:
    credentials = vshmac.parse_authorization(request.META.get("HTTP_AUTHORIZATION", ""))
    if credentials is None:
        raise Refused(
            401,
            "The request is not signed. Send the headers Date and "
            f"Authorization: {vshmac.SCHEME} PUBLIC_KEY:SIGNATURE",
        )
    date = request.META.get("HTTP_DATE", "")
    key = _get_key(credentials.public_key)
    expected = _sign_as_expected(key, credentials.public_key, request, date)
    if not vshmac.is_same_signature(credentials.signature, expected) or key is None:
        raise Refused(401, _WRONG)
    problem = vshmac.find_date_problem(date, now)
    if problem is None and not key.allow_v1:
        problem = f"This key does not accept {vshmac.SCHEME} signatures."
    if problem is not None:
        raise Refused(401, problem)
    return Caller(key, credentials.signature)


def _get_key(public_key: str) -> Key | None:
    return find_key(public_key) if vshmac.is_public_key(public_key) else None


@sensitive_variables("secret")
def _sign_as_expected(key: Key | None, public_key: str, request: HttpRequest, date: str) -> str:
    secret = _decrypt_secret(key, public_key).decode()
    return vshmac.sign_request(secret, str(request.method), get_signed_path(request), date)


@sensitive_variables("secret")
def _decrypt_secret(key: Key | None, public_key: str) -> bytes:
    """Return the key's secret; for an unknown key, another one, with the same work."""
    try:
        secret = decrypt(get_decoy() if key is None else key.encrypted_secret)
    except CannotDecrypt as error:
        logger.error("Could not answer a request with the key %s: %s", public_key, error)
        raise Refused(
            500, "The server cannot decrypt the secret of this key. Its log says more."
        ) from None
    return secret.strip().encode()
