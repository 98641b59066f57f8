"""HTTP message signatures (RFC 9421), which also cover the query and the body.

They use HMAC-SHA256 with the key's secret; ``keyid`` is the public key. ``Content-Digest`` (RFC
9530) covers the body.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import http_sf
from django.core.exceptions import DisallowedHost
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)

from django_visualsnoop.client.signing import COVERED
from django_visualsnoop.server.http.raw_path import get_signed_path
from django_visualsnoop.server.http.vshmac import NEWEST, OLDEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.http import HttpRequest

#: How to sign, for clients that sign nothing or too little.
HOW = (
    'Signature-Input: sig=("@method" "@path" "@query" "content-digest");created=TIME;'
    'keyid="PUBLIC_KEY";alg="hmac-sha256"'
)
_DIGESTS = ("sha-256", "sha-512")
#: The methods whose bodies change something.
_WITH_BODY = ("POST", "PUT", "PATCH")


class WrongSignature(ValueError):  # noqa: N818
    """The request has no valid signature of the key."""


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A valid signature of the key."""

    #: Differs between any two signed messages.
    fingerprint: str = field(repr=False)
    created: object
    expires: object
    #: The signed components, by their names in ``Signature-Input``.
    covered: Mapping[str, str] = field(repr=False)
    _check: Callable[[bytes], bool] = field(repr=False)

    def find_problem(self, method: str, now: datetime) -> str | None:
        """Return why the server refuses the request despite a valid signature, or ``None``.

        Args:
            method: the method of the request.
            now: the server's time.
        """
        missing = [name for name in COVERED if f'"{name}"' not in self.covered]
        if method in _WITH_BODY and '"content-digest"' not in self.covered:
            missing.append("content-digest")
        if missing:
            return f"The signature does not cover {', '.join(missing)}. Write it like this: {HOW}"
        shown = format_datetime(now.astimezone(UTC), usegmt=True)
        created, expires = _parse_time(self.created), _parse_time(self.expires)
        if created is None:
            return "The signature has no creation time. Write it like this: " + HOW
        if not -NEWEST <= now - created <= OLDEST:
            return (
                f"The signature was created at {created.isoformat()}, but the server's clock says "
                f"{shown}. Set the clock of the client."
            )
        if expires is not None and expires < now:
            return (
                f"The signature expired at {expires.isoformat()}. The server's clock says {shown}."
            )
        return None

    def covers(self, body: bytes) -> bool:
        """Return whether the signature covers this body."""
        return self._check(body)


def verify_request(request: HttpRequest, secret_of: Callable[[str], bytes]) -> VerifiedSignature:
    """Verify the one signature of a request, without reading its body.

    Args:
        request: the request, with ``Signature-Input`` and ``Signature``.
        secret_of: returns the secret of a public key. For an unknown key, it must do the same work
            and return a secret that belongs to no key.

    Raises:
        WrongSignature: the signature is missing, broken, or made with another secret.
    """
    verifier = _Verifier(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=_Keys(secret_of))
    message = _Message(str(request.method), _build_url(request), request.headers)
    try:
        (result,) = verifier.verify(message, max_age=None)
    except (HTTPMessageSignaturesException, ValueError, RecursionError):
        raise WrongSignature from None

    # A digest with an unknown algorithm does not invalidate the others.
    readable = {
        name: _drop_unknown_algorithms(value) if name == '"content-digest"' else value
        for name, value in result.covered_components.items()
    }

    def check(body: bytes) -> bool:
        try:
            verifier.verify_body(message, [result._replace(covered_components=readable)], body)
        except HTTPMessageSignaturesException:
            return False
        return True

    base = "\n".join(f"{name}: {value}" for name, value in result.covered_components.items())
    return VerifiedSignature(
        b64encode(sha256(base.encode()).digest()).decode(),
        result.parameters.get("created"),
        result.parameters.get("expires"),
        result.covered_components,
        check,
    )


@dataclass(frozen=True, slots=True)
class _Message:
    method: str
    url: str
    headers: Any


class _Verifier(HTTPMessageVerifier):
    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        """Leave the times to ``find_problem``: only clients with the secret learn them."""


class _Keys(HTTPSignatureKeyResolver):
    def __init__(self, secret_of: Callable[[str], bytes]) -> None:
        self._secret_of = secret_of

    def resolve_public_key(self, key_id: str) -> bytes:
        return self._secret_of(key_id)


def _drop_unknown_algorithms(digests: str) -> str:
    """Return a ``Content-Digest`` without the algorithms to be ignored (RFC 9530, 2)."""
    try:
        parsed: Any = http_sf.parse(digests.encode("ascii"), tltype="dictionary")
    except ValueError:
        return digests
    known = {name: value for name, value in parsed.items() if name in _DIGESTS}
    # If no algorithm is known, nothing would remain: return the value unchanged, to be refused.
    return http_sf.ser(known) if 0 < len(known) < len(parsed) else digests


def _build_url(request: HttpRequest) -> str:
    try:
        host = request.get_host()
    except DisallowedHost:
        host = request.META.get("HTTP_HOST", "")  # this does not check whether it is allowed
    query = request.META.get("QUERY_STRING", "")
    return f"{request.scheme}://{host}{get_signed_path(request)}?{query}"


def _parse_time(seconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(str(seconds)), UTC)
    except (ValueError, OverflowError, OSError):
        return None
