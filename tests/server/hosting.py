"""Collections with keys, and calls signed with them."""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.test import Client

from django_visualsnoop.server.models import HostedCollection, Key
from django_visualsnoop.server.tenants.keys import make_collection, make_key

if TYPE_CHECKING:
    from datetime import datetime

API = "/api/v1"


@dataclass(frozen=True)
class Tenant:
    collection_id: str
    public_key: str
    secret: str = field(repr=False)

    @property
    def collection(self) -> HostedCollection:
        return HostedCollection.objects.get(pk=self.collection_id)

    @property
    def key(self) -> Key:
        return Key.objects.get(public_key=self.public_key)

    def limit(self, **fields: Any) -> None:
        HostedCollection.objects.filter(pk=self.collection_id).update(**fields)

    def change_key(self, **fields: Any) -> None:
        Key.objects.filter(public_key=self.public_key).update(**fields)


def tenant(name: str = "Tests", email: str = "ann@example.com", **key: Any) -> Tenant:
    owner, _ = get_user_model().objects.get_or_create(username=email, email=email)
    return another_key(make_collection(owner, name).pk, **key)


def another_key(collection_id: str, **key: Any) -> Tenant:
    new = make_key(collection_id, **key)
    return Tenant(collection_id, new.key.public_key, new.secret)


def signed(whose: Tenant, method: str, path: str, date: datetime | None = None) -> dict[str, str]:
    """Return the header fields of a request to a percent-encoded path, the query left out."""
    stamp = formatdate(None if date is None else date.timestamp(), usegmt=True)
    text = "\n".join([method, path, stamp]).encode()
    signature = b64encode(hmac.digest(whose.secret.encode(), text, "sha1")).decode()
    return {"Date": stamp, "Authorization": f"VSHMAC {whose.public_key}:{signature}"}


@dataclass(frozen=True)
class Reply:
    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    def __post_init__(self) -> None:
        assert self.body["status"] == self.status
        assert isinstance(self.body["message"], str)
        assert self.headers["Content-Type"] == "application/json"
        assert "Set-Cookie" not in self.headers
        assert "Location" not in self.headers


def call(
    whose: Tenant | None,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    **environ: Any,
) -> Reply:
    """Make a call within this process; ``path`` is what comes after the prefix."""
    target, _, query = f"{API}{path}".partition("?")
    fields = {**(signed(whose, method, target) if whose else {}), **(headers or {})}
    response = Client().generic(
        method, target, body, content_type="", headers=fields, QUERY_STRING=query, **environ
    )
    assert not response.cookies
    return Reply(response.status_code, response.json(), dict(response.items()))
