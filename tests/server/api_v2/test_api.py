"""Whose request it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.hosting import Tenant, another_key, call, signed
from tests.server.v2 import API2, ask

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def test_whose_request_it_is(ann: Tenant) -> None:
    assert ask(ann, "GET", "/collection").status == 200
    replies = [
        ask(Tenant("", public, secret), "GET", "/collection")
        for public, secret in (
            (ann.public_key, "guessed"),
            ("0" * 20, ann.secret),
            ("", ""),
            (ann.public_key, ""),
            (ann.public_key, f"{ann.secret}x"),
            (ann.public_key, f"{ann.secret} "[::-1]),
        )
    ]
    assert {reply.status for reply in replies} == {401}
    assert len({reply.content for reply in replies}) == 1
    assert replies[0].headers["WWW-Authenticate"] == "Bearer"
    # What covers neither query nor body is not enough here.
    old = signed(ann, "GET", f"{API2}/collection")
    for headers in ({}, old, {"Authorization": "Basic YTpi"}):
        reply = ask(None, "GET", "/collection", headers=headers)
        assert reply.status == 401
        assert "Bearer PUBLIC_KEY.SECRET_KEY" in reply.detail
    assert call(None, "GET", "/collection", headers=dict(bearer_of(ann))).status == 401


def bearer_of(whose: Tenant) -> dict[str, str]:
    return {"Authorization": f"bearer  {whose.public_key}.{whose.secret}"}


def test_a_bearers_key_is_revoked_at_once(ann: Tenant, settings: Settings) -> None:
    assert ask(None, "GET", "/collection", headers=bearer_of(ann)).status == 200
    for scope, path in (("read", "/images"), ("search", "/search/a")):
        other = another_key(ann.collection_id, scopes=["write"])
        assert ask(other, "GET", path).status == 403
        assert scope in ask(other, "GET", path).detail
        other.change_key(revoked_at="2020-01-01T00:00:00Z")
        assert "revoked" in ask(other, "GET", path).detail
    settings.SECRET_KEY = "another one"
    assert ask(ann, "GET", "/collection").status == 500
