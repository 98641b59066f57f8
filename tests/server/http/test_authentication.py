from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_visualsnoop.server.http import authentication
from django_visualsnoop.server.tenants import keys
from django_visualsnoop.server.tenants.encryption import decrypt
from tests.collections.contract import image
from tests.server.hosting import API, Tenant, another_key, call, signed, tenant

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

#: Every call, its scope, and whether it sends an image.
CALLS = [
    ("GET", "/collection", "", False),
    ("GET", "/images", "read", False),
    ("GET", "/image/a", "read", False),
    ("POST", "/image", "write", True),
    ("POST", "/image/c", "write", True),
    ("PUT", "/image/a", "write", True),
    ("GET", "/search/a", "search", False),
    ("POST", "/search", "search", True),
    ("DELETE", "/image/a", "write", False),
]


@pytest.mark.parametrize("scope", ["read", "search", "write"])
def test_a_key_may_what_its_scopes_say(scope: str) -> None:
    ann = tenant()
    one = another_key(ann.collection_id, scopes=[scope])
    call(ann, "PUT", "/image/a", image(1))
    for method, path, needed, sends in CALLS:
        reply = call(one, method, path, image(2) if sends else b"")
        if needed in ("", scope):
            assert 200 <= reply.status < 300
        else:
            assert reply.status == 403
            assert needed in reply.body["message"]


def test_keys_that_are_not_accepted(ann: Tenant) -> None:
    now, hour = timezone.now(), timedelta(hours=1)
    for fields, word in (
        ({"revoked_at": now}, "revoked"),
        ({"expires_at": now}, "expired"),
        ({"not_before": now + hour}, "before"),
        ({"allow_v1": False}, "VSHMAC"),
    ):
        ann.change_key(**fields)
        reply = call(ann, "GET", "/collection")
        assert reply.status == 401
        assert word in reply.body["message"]
        assert "collection_id" not in reply.body
        # Only who has the secret learns it.
        wrong = Tenant(ann.collection_id, ann.public_key, "guessed")
        unknown = Tenant(ann.collection_id, "0" * 20, "guessed")
        assert call(wrong, "GET", "/collection").body == call(unknown, "GET", "/collection").body
        ann.change_key(revoked_at=None, expires_at=None, not_before=None, allow_v1=True)
    ann.change_key(not_before=now - hour, expires_at=now + hour)
    assert call(ann, "GET", "/collection").status == 200


def test_the_same_work_is_done_for_an_unknown_key(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def watched(encrypted: str) -> str:
        opened.append(encrypted)
        return decrypt(encrypted)

    monkeypatch.setattr(authentication, "decrypt", watched)
    call(Tenant("", "0" * 20, "x"), "GET", "/images")
    call(Tenant("", ann.public_key, "x"), "GET", "/images")
    assert len(opened) == 2


def test_neither_method_nor_path_can_be_exchanged(ann: Tenant) -> None:
    call(ann, "PUT", "/image/a", image(1))
    headers = signed(ann, "GET", f"{API}/image/a")
    assert call(None, "GET", "/image/a", headers=headers).status == 200
    assert call(None, "DELETE", "/image/a", headers=headers).status == 401
    assert call(None, "GET", "/image/b", headers=headers).status == 401
    assert call(None, "GET", "/image/a", headers={**headers, "Date": "x"}).status == 401


def test_a_request_without_a_signature_is_told_how(ann: Tenant) -> None:
    reply = call(None, "GET", "/images", headers={"Authorization": "Basic YTpi"})
    assert reply.status == 401
    assert "VSHMAC PUBLIC_KEY:SIGNATURE" in reply.body["message"]


def test_use_is_noted_at_most_once_a_minute(ann: Tenant) -> None:
    before = timezone.now()
    call(ann, "GET", "/collection")
    first = ann.key.last_used_at
    assert first is not None
    assert before <= first <= timezone.now()
    with CaptureQueriesContext(connection) as queries:
        call(ann, "GET", "/images")
    assert ann.key.last_used_at == first
    assert not [query for query in queries if query["sql"].startswith("UPDATE")]
    ann.change_key(last_used_at=first - keys.USE_NOTED_EVERY)
    call(ann, "GET", "/collection")
    assert ann.key.last_used_at > first


def test_a_secret_that_cannot_be_read_is_the_servers_fault(
    ann: Tenant, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SECRET_KEY = "another one"
    reply = call(ann, "GET", "/collection")
    assert reply.status == 500
    assert "SECRET_KEY_FALLBACKS" in caplog.text
    assert "FALLBACKS" not in reply.body["message"]
    settings.SECRET_KEY_FALLBACKS = ["only for tests"]
    assert call(ann, "GET", "/collection").status == 200


def test_a_prefix_that_a_proxy_strips_is_signed(ann: Tenant, settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"PATH_PREFIX": "/images"}
    headers = signed(ann, "GET", f"/images{API}/collection")
    assert call(None, "GET", "/collection", headers=headers).status == 200
    assert call(ann, "GET", "/collection").status == 401


def test_no_key_opens_another_collection() -> None:
    """To Bob, an image of Ann's is one that nobody has."""
    ann, bob = tenant("Ann's"), tenant("Bob's", "bob@example.com")
    call(ann, "PUT", "/image/hers", image(1))
    before = call(ann, "GET", "/images").body
    for method, path, _, sends in CALLS:
        if not sends:
            replies = [
                str(call(bob, method, path.replace("/a", f"/{name}")).body).replace(name, "?")
                for name in ("hers", "none")
            ]
            assert replies[0] == replies[1]
    assert call(bob, "GET", "/images?start=hers").status == 404
    assert call(bob, "POST", "/search", image(1)).body["results"] == []
    # The same id and picture, in a collection of his own.
    for method, status in (("POST", 201), ("PUT", 200), ("DELETE", 200)):
        sent = b"" if method == "DELETE" else image(1)
        reply = call(bob, method, "/image/hers", sent)
        assert (reply.status, reply.body["collection_id"]) == (status, bob.collection_id)
    assert call(ann, "GET", "/images").body == before
