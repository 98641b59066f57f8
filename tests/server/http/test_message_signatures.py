"""Signatures that cover the query and the body (RFC 9421), of our client and of others."""

from __future__ import annotations

import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.test import RequestFactory
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver, algorithms
from http_message_signatures.digests import ContentDigest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_visualsnoop.client.exceptions import AuthenticationError
from django_visualsnoop.client.models import Collection
from django_visualsnoop.client.signing import MessageSignatureAuth
from django_visualsnoop.server.http import authentication
from django_visualsnoop.server.http.message_signatures import WrongSignature, verify_request
from django_visualsnoop.server.tenants.encryption import decrypt
from tests.collections.contract import ODD_IDS, image
from tests.server.hosting import API, Reply, Tenant, call, signed
from tests.server.serving import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.server.serving import Served

pytestmark = pytest.mark.http

ALL = ("@method", "@path", "@query", "content-digest")


class _Unchecked(ContentDigest):
    @classmethod
    def prepare(cls, *_: object, **__: object) -> None:
        """Leave the field as it is."""


class _BlindSigner(HTTPMessageSigner):
    """Signs a ``Content-Digest`` that it does not understand."""

    content_digest_class = _Unchecked


def headers(
    whose: Tenant,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    covered: Sequence[str] = ALL,
    digest: bool = True,
    digests: str = "",
    **options: Any,
) -> dict[str, str]:
    """Return the header fields of a request that is signed so; ``path`` may have a query.

    ``digests`` is what ``Content-Digest`` says in place of what is right.
    """
    request = requests.Request(method, f"http://testserver{API}{path}").prepare()
    request.headers.clear()
    secret = {whose.public_key: whose.secret.encode()}
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.HMAC_SHA256,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys=secret),
    )
    if digest:
        request.headers["Content-Digest"] = signer.content_digest_class.create(body)
    if digests:
        request.headers["Content-Digest"] = digests
        signer = _BlindSigner(
            signature_algorithm=algorithms.HMAC_SHA256, key_resolver=signer.key_resolver
        )
    signer.sign(
        request,
        key_id=whose.public_key,
        covered_component_ids=covered,
        use_existing_digest=digest,
        **options,
    )
    return dict(request.headers)


def ask(whose: Tenant, method: str, path: str, body: bytes = b"", **options: Any) -> Reply:
    return call(None, method, path, body, headers(whose, method, path, body, **options))


# One that tells the raw path of each interface, and one that does not.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("served", ["gunicorn", "uvicorn", "runserver"], indirect=True)
def test_our_client_over_a_socket(served: Served, ann: Tenant) -> None:
    ann.change_key(allow_v1=False)
    with pytest.raises(AuthenticationError, match="VSHMAC"):
        _ = served.client(ann).id
    client = Collection(ann.public_key, ann.secret, served.endpoint, timeout=PATIENCE, signing="v2")
    assert client.id == ann.collection_id
    for number, image_id in enumerate(ODD_IDS):
        assert client.add_image(image(number % 3), image_id)["status"] == 201
    assert client.add_image(image(1), ODD_IDS[0], update_existing=True)["status"] == 200
    assert client.add_image(image(1))["status"] == 201
    assert client.search_images(image(1))["results"]
    assert client.get_images(start=ODD_IDS[1], count=2)["images"][0]["id"] == ODD_IDS[1]
    assert client.add_image(b"")["status"] == 400
    for image_id in ODD_IDS:
        assert client.delete_image(image_id)["status"] == 200


@pytest.mark.django_db
def test_query_and_body_are_covered(ann: Tenant) -> None:
    sent = headers(ann, "PUT", "/image/a", image(1))
    refused = call(None, "PUT", "/image/a", image(2), sent)
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"] == "VSHMAC"
    assert call(ann, "GET", "/image/a").status == 404
    assert call(None, "PUT", "/image/a", image(1), sent).status == 201
    listed = headers(ann, "GET", "/images?count=1")
    assert call(None, "GET", "/images?count=1", headers=listed).status == 200
    for method, path in (
        ("GET", "/images?count=2"),
        ("GET", "/images"),
        ("GET", "/image/a?count=1"),
        ("DELETE", "/images?count=1"),
    ):
        assert call(None, method, path, headers=listed).status in (401, 405)


@pytest.mark.django_db
def test_what_must_be_covered_is_named(ann: Tenant) -> None:
    for name in ALL:
        covered = [other for other in ALL if other != name]
        reply = ask(ann, "PUT", "/image/a", image(1), covered=covered)
        assert reply.status == 401
        assert f"does not cover {name}." in reply.body["message"]
    assert ask(ann, "GET", "/images", covered=ALL[:3], digest=False).status == 200
    assert ask(ann, "GET", "/images", covered=(*ALL, "@authority", "@scheme")).status == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("minutes", "accepted"), [(0, True), (-74, True), (14, True), (-76, False), (16, False)]
)
def test_the_window_is_that_of_v1(ann: Tenant, minutes: int, accepted: bool) -> None:
    created = datetime.now(UTC) + timedelta(minutes=minutes)
    reply = ask(ann, "GET", "/images", created=created)
    assert reply.status == (200 if accepted else 401)
    assert accepted or "clock" in reply.body["message"]
    # Who has not the secret learns nothing of clocks.
    wrong = Tenant(ann.collection_id, ann.public_key, "guessed")
    assert "clock" not in ask(wrong, "GET", "/images", created=created).body["message"]


@pytest.mark.django_db
def test_an_expiry_counts(ann: Tenant) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    reply = ask(ann, "GET", "/images", created=past, expires=past)
    assert reply.status == 401
    assert "expired" in reply.body["message"]


@pytest.mark.django_db
def test_a_wrong_secret_and_an_unknown_key_are_one_thing(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def watched(encrypted: str) -> str:
        opened.append(encrypted)
        return decrypt(encrypted)

    monkeypatch.setattr(authentication, "decrypt", watched)
    replies = [
        ask(Tenant("", key, "guessed"), "GET", "/images") for key in (ann.public_key, "0" * 20, "?")
    ]
    assert [reply.status for reply in replies] == [401] * 3
    assert replies[0].body == replies[1].body == replies[2].body
    assert replies[0].headers["WWW-Authenticate"] == "VSHMAC"
    assert len(opened) == 3


@pytest.mark.django_db
def test_a_repeated_post_is_the_same_request(ann: Tenant) -> None:
    sent = headers(ann, "POST", "/image", image(1), nonce="once")
    first = call(None, "POST", "/image", image(1), sent)
    assert call(None, "POST", "/image", image(1), sent).body == first.body
    # However the field is spaced.
    spaced = {**sent, "Signature": f" {sent['Signature']} "}
    assert call(None, "POST", "/image", image(1), spaced).body == first.body
    again = ask(ann, "POST", "/image", image(1), nonce="twice")
    assert again.body["image_id"] != first.body["image_id"]


@pytest.mark.django_db
def test_both_signatures_at_once_is_the_stronger_ones_matter(ann: Tenant) -> None:
    both = {**signed(ann, "GET", f"{API}/images"), **headers(ann, "GET", "/images?count=1")}
    assert call(None, "GET", "/images", headers=both).status == 401


@pytest.mark.django_db
def test_a_secret_that_cannot_be_read_is_the_servers_fault(ann: Tenant, settings: Any) -> None:
    settings.SECRET_KEY = "another one"
    assert ask(ann, "GET", "/images").status == 500


@pytest.mark.django_db
def test_more_than_one_signature_is_none(ann: Tenant) -> None:
    sent = headers(ann, "GET", "/images")
    double = {
        name: f"{value}, {value.replace('pyhms=', 'other=')}"
        for name, value in sent.items()
        if name.startswith("Signature")
    }
    assert call(None, "GET", "/images", headers={**sent, **double}).status == 401


PARTS = st.lists(
    st.sampled_from(
        [
            *("sig=", "(", ")", '"@method"', '"@path"', ";created=", "1", ";keyid=", '"k"'),
            *(":AAAA:", ",", " ", "\t", "é", "\0", "(" * 2000, ';alg="hmac-sha256"'),
            '"@query-param";name="a"',
        ]
    ),
    max_size=12,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(signature_input=PARTS, signature=PARTS, digest=PARTS)
def test_no_made_up_signature_is_accepted_or_raises(
    signature_input: str, signature: str, digest: str
) -> None:
    request = RequestFactory().get(
        "/api/v1/images?a=b",
        HTTP_SIGNATURE_INPUT=signature_input,
        HTTP_SIGNATURE=signature,
        HTTP_CONTENT_DIGEST=digest,
    )
    with pytest.raises(WrongSignature):
        verify_request(request, lambda name: b"secret")


def test_a_request_that_is_sent_again_is_signed_anew() -> None:
    auth = MessageSignatureAuth(f" {'a' * 20}\n", "secret ")
    request = requests.Request("POST", "http://testserver/", data=b"x", auth=auth).prepare()
    first = dict(request.headers)
    auth(request)
    assert request.headers["Signature-Input"] != first["Signature-Input"]
    assert request.headers["Content-Digest"] == first["Content-Digest"]
    assert "secret" not in repr(auth) + str(first)
    assert int(time.time()) >= int(first["Signature-Input"].partition("created=")[2].split(";")[0])


@pytest.mark.django_db
def test_algorithms_that_nobody_knows_are_ignored(ann: Tenant) -> None:
    """As long as there is one that is known, and right (RFC 9530, 2)."""
    body = image(1)
    right = "sha-256=:" + b64encode(sha256(body).digest()).decode() + ":"
    wrong = "sha-256=:" + b64encode(sha256(b"other").digest()).decode() + ":"
    unknown = "crc32=:AAAAAA==:"
    for digests, status in (
        (right, 201),
        (f"{unknown}, {right}", 200),
        (f"{right}, {unknown};a=1", 200),
        (f"{right}, other=1", 200),
        (unknown, 401),
        (f"{unknown}, {wrong}", 401),
        (f"{right}, {unknown}, sha-512=:AAAA:", 401),
    ):
        sent = headers(ann, "PUT", "/image/a", body, digests=digests)
        assert call(None, "PUT", "/image/a", body, sent).status == status, digests
