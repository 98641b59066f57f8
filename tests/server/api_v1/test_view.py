"""What does not depend on the server that the project runs under."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.models import Collection, IndexedImage, key_of
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.server.api_v1 import view
from tests.collections.contract import image
from tests.server.hosting import API, Tenant, call, signed

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def strict(settings: Settings) -> None:
    """Middleware that redirects, asks for a login, and sets cookies."""
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.APPEND_SLASH = True
    settings.MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("debug", [False, True])
def test_no_middleware_gets_in_the_way(ann: Tenant, settings: Settings, debug: bool) -> None:
    settings.DEBUG = debug
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^api/v1(/|$)"]
    settings.SESSION_SAVE_EVERY_REQUEST = True
    assert call(ann, "POST", "/image/a", image(1)).status == 201
    for path in ("", "/", "/nothing", "/collection/", "/image//a", "/images%0A"):
        assert call(ann, "GET", path).status == 404, path
    assert call(ann, "DELETE", "/image/a").status == 200


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(("method", "path"), [("GET", "/images"), ("POST", "/image")])
def test_an_error_of_the_servers_own(
    ann: Tenant,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    debug: bool,
    method: str,
    path: str,
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("of the server's own")

    settings.DEBUG = debug
    monkeypatch.setattr(Gallery, "__init__", fails)
    reply = call(ann, method, path, image(1) if method == "POST" else b"")
    assert reply.status == 500
    assert "own" not in str(reply.body)
    assert "of the server's own" in caplog.text
    assert f"{method} {API}{path} was not answered" in caplog.text


def test_secrets_are_neither_logged_nor_answered(
    ann: Tenant,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.DEBUG = True
    encrypted = ann.key.encrypted_secret
    other = Tenant(ann.collection_id, ann.public_key, ann.secret[::-1])
    headers = signed(ann, "GET", f"{API}/images")
    replies = [
        call(ann, "GET", "/images"),
        call(other, "GET", "/images"),
        call(None, "GET", "/images?count=0", headers=headers),
        call(ann, "POST", "/image", b"no picture"),
    ]
    monkeypatch.setattr(view, "check_utf8", lambda request: 1 / 0)
    replies.append(call(ann, "GET", "/images"))
    assert [reply.status for reply in replies] == [200, 401, 400, 415, 500]
    signature = headers["Authorization"].rpartition(":")[2]
    shown = caplog.text + "".join(str(reply) for reply in replies)
    # Statements are logged at this level, and what is encrypted is read by one.
    for secret in (ann.secret, other.secret, signature, settings.SECRET_KEY):
        assert secret not in shown
    assert encrypted not in "".join(str(reply) for reply in replies)


def test_lists_of_more_images_than_a_page_has(ann: Tenant) -> None:
    name = ann.collection.gallery_name
    row = Collection.objects.get(key=key_of(name))
    IndexedImage.objects.bulk_create(
        IndexedImage(
            collection=row,
            key=key_of(str(number)),
            image_id=str(number),
            image_time=1_422_218_585_690_218 + number,
            vector=b"",
            version=0,
            digest="",
            width=1,
            height=1,
            seq=1,
        )
        for number in range(2500)
    )
    assert Store("default", name).count() == 2500
    seen: list[str] = []
    start = ""
    for size in (1000, 1000, 500):
        with CaptureQueriesContext(connection) as queries:
            page = call(ann, "GET", f"/images?count=5000{start}").body
        assert len(page["images"]) == size
        assert len(queries) <= 5
        seen += [item["id"] for item in page["images"]]
        start = f"&start={page['next_image_id']}"
    assert page["next_image_id"] is None
    assert seen == [str(number) for number in reversed(range(2500))]
    assert page["images"][-1]["image_time"] == "2015-01-25T20:43:05.690218+00:00"
    assert len(call(ann, "GET", "/images").body["images"]) == 100
    assert call(ann, "GET", "/images?start=").status == 400
    assert call(ann, "GET", "/images?start=nobody").status == 404


def test_a_collections_threshold_counts(ann: Tenant) -> None:
    call(ann, "PUT", "/image/a", image(1))
    (match,) = call(ann, "POST", "/search", image(1)).body["results"]
    assert (match["id"], match["rank"]) == ("a", 0)
    assert 0.5 < match["similarity"] < 1
    ann.limit(min_similarity=1.0)
    assert call(ann, "POST", "/search", image(1)).body["results"] == []


def test_under_asgi(ann: Tenant) -> None:
    async def ask() -> Any:
        headers = signed(ann, "GET", f"{API}/images")
        return await AsyncClient().get(f"{API}/images", headers=headers)

    response = asyncio.run(ask())
    assert response["Content-Type"] == "application/json"


def test_the_migration_makes_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", "visualsnoop_server", check=True, dry_run=True)
    assert "No changes detected" in capsys.readouterr().out


def test_an_owner_without_an_address_is_called_by_name(ann: Tenant) -> None:
    get_user_model().objects.update(username="ann", email="")
    assert call(ann, "GET", "/collection").body["user"] == "ann"


@pytest.mark.shared_photos
def test_the_owner_chooses_whether_similar_images_follow(ann: Tenant, shared: Path) -> None:
    sharks = sorted((shared / "photos").glob("*shark*"))[:2]
    for name, path in zip("ab", sharks, strict=True):
        call(ann, "PUT", f"/image/{name}", path.read_bytes())

    def found(method: str, path: str, body: bytes = b"") -> list[tuple[str, str]]:
        results = call(ann, method, path, body).body["results"]
        return [(match["id"], match["relation"]) for match in results]

    content = sharks[0].read_bytes()
    assert found("POST", "/search", content) == [("a", "copy")]
    assert found("GET", "/search/a") == []
    ann.limit(v1_finds_similar=True)
    assert found("POST", "/search", content) == [("a", "copy"), ("b", "similar")]
    assert found("GET", "/search/a") == [("b", "similar")]
