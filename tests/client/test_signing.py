"""Signatures that cover the query and the body, and how a client is told to sign."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
import requests

from django_visualsnoop.client.auth import VisualSnoopHMACAuth
from django_visualsnoop.client.signing import MessageSignatureAuth, auth_for
from tests.v1server import PUBLIC_KEY, SECRET_KEY

URL = "https://images.example.com/api/v1/image/a"


def signed(body: Any = None, url: str = URL) -> requests.PreparedRequest:
    auth = MessageSignatureAuth(PUBLIC_KEY, SECRET_KEY)
    return requests.Request("PUT", url, data=body, auth=auth).prepare()


def test_what_is_covered() -> None:
    covered = str(signed(b"picture").headers["Signature-Input"])
    for component in ('"@method"', '"@path"', '"@query"', '"content-digest"'):
        assert component in covered
    assert f'keyid="{PUBLIC_KEY}"' in covered
    assert 'alg="hmac-sha256"' in covered
    assert SECRET_KEY not in str(signed(b"picture").headers)


def test_no_body_is_signed_as_an_empty_one() -> None:
    assert signed().headers["Content-Digest"] == signed(b"").headers["Content-Digest"]


def test_each_request_is_signed_anew() -> None:
    """So that the server can tell one that is sent again from one that was recorded."""
    request = signed(b"one")
    before = dict(request.headers)
    request.body = b"two"
    MessageSignatureAuth(PUBLIC_KEY, SECRET_KEY)(request)
    for name in ("Signature", "Signature-Input", "Content-Digest"):
        assert request.headers[name] != before[name]


def test_a_file_is_signed_as_its_bytes_and_left_where_it_was() -> None:
    file = io.BytesIO(b"head and picture")
    file.seek(9)
    digest = signed(file).headers["Content-Digest"]
    assert file.tell() == 9
    assert digest == signed(b"picture").headers["Content-Digest"]
    assert digest == signed("picture").headers["Content-Digest"]


@pytest.mark.parametrize(
    ("signing", "kind"), [("v1", VisualSnoopHMACAuth), ("v2", MessageSignatureAuth)]
)
def test_how_to_sign_is_chosen_by_name(signing: str, kind: type) -> None:
    assert type(auth_for(signing, PUBLIC_KEY, SECRET_KEY)) is kind


def test_an_unknown_way_to_sign_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match='must be "v1" or "v2", not \'v3\''):
        auth_for("v3", PUBLIC_KEY, SECRET_KEY)


def test_without_the_package_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "http_message_signatures", None)
    with pytest.raises(ImportError, match=r'pip install "django-visualsnoop\[signing\]"'):
        auth_for("v2", PUBLIC_KEY, SECRET_KEY)
    assert auth_for("v1", PUBLIC_KEY, SECRET_KEY)
