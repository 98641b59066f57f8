"""The signature that API v1 requires of every request."""

from __future__ import annotations

import hmac
from base64 import b64encode
from email.utils import formatdate
from typing import TYPE_CHECKING, NoReturn, SupportsIndex
from urllib.parse import urlsplit

from requests.auth import AuthBase

if TYPE_CHECKING:
    from requests import PreparedRequest

#: The version of ``visualsnoop`` whose requests these are.
CLIENT_VERSION = "0.2"


class VisualSnoopHMACAuth(AuthBase):
    """Sign each request with a collection's keys, for ``requests``' ``auth=``.

    Args:
        public_key: names the collection; sent with each request.
        secret_key: signs each request; never sent. White space around the keys is ignored.
    """

    AUTH_TYPE = "VSHMAC"

    def __init__(self, public_key: str, secret_key: str) -> None:
        self.auth_type = self.AUTH_TYPE
        self.client_version = CLIENT_VERSION
        self.public_key = public_key.strip()
        self.secret_key = secret_key.strip()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        date = request.headers.setdefault("Date", formatdate(usegmt=True))
        if self.client_version:
            request.headers["X-Visualsnoop-Client-Version"] = self.client_version
        path = urlsplit(str(request.url)).path
        signed = "\n".join([str(request.method), path, date])
        digest = hmac.digest(self.secret_key.encode(), signed.encode(), "sha1")
        signature = b64encode(digest).decode("ascii")
        request.headers["Authorization"] = f"{self.auth_type} {self.public_key}:{signature}"
        return request

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.public_key}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            f"You cannot pickle or copy a {type(self).__name__}, because it holds a secret key. "
            "Create a new one where you need it."
        )
