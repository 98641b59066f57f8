"""HTTP message signatures (RFC 9421): they cover the query and the body, too.

Requires the extra ``signing``. The signature of API v1 does not.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django_visualsnoop.client.auth import VisualSnoopHMACAuth

if TYPE_CHECKING:
    from requests import PreparedRequest

#: What a request must sign; one with a body its digest as well (RFC 9530).
COVERED = ("@method", "@path", "@query")
#: How a client may be told to sign: as API v1 does, or by this module.
SIGNINGS = ("v1", "v2")


class MessageSignatureAuth(VisualSnoopHMACAuth):
    """Sign each request with HMAC-SHA256, for ``requests``' ``auth=``.

    The signature covers method, path, query and body. A body must be bytes or a seekable binary
    file.

    Args:
        public_key: names the collection; sent with each request.
        secret_key: signs each request; never sent. White space around the keys is ignored.

    Raises:
        ImportError: the package ``http-message-signatures`` is not installed.
    """

    AUTH_TYPE = "Signature"

    def __init__(self, public_key: str, secret_key: str) -> None:
        super().__init__(public_key, secret_key)
        try:
            import http_message_signatures as library
        except ImportError as error:
            raise ImportError(
                'signing="v2" requires a package that is not installed. '
                'Type: python -m pip install "django-visualsnoop[signing]"'
            ) from error
        self._signer = library.HTTPMessageSigner(
            signature_algorithm=library.algorithms.HMAC_SHA256,
            key_resolver=library.MappingKeyResolver(
                public_keys={}, private_keys={self.public_key: self.secret_key.encode()}
            ),
        )

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        # A request that is sent again is signed anew.
        request.headers.pop("Content-Digest", None)
        self._signer.sign(
            request,
            key_id=self.public_key,
            covered_component_ids=COVERED,
            nonce=secrets.token_urlsafe(12),
            label="visualsnoop",
            body=_bytes(request.body),
        )
        return request


def auth_for(signing: str, public_key: str, secret_key: str) -> VisualSnoopHMACAuth:
    """Return the ``requests`` authentication for a kind of signature.

    Args:
        signing: ``"v1"`` or ``"v2"``.
        public_key, secret_key: the collection's.

    Raises:
        ValueError: ``signing`` is neither ``"v1"`` nor ``"v2"``.
        ImportError: a required package is not installed.
    """
    if signing not in SIGNINGS:
        raise ValueError(f'signing must be "v1" or "v2", not {signing!r}.')
    kind = VisualSnoopHMACAuth if signing == "v1" else MessageSignatureAuth
    return kind(public_key, secret_key)


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, (bytes, str)):
        return body.encode() if isinstance(body, str) else body
    start = body.tell()
    content: bytes = body.read()
    body.seek(start)
    return content
