from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.server.hosting import Tenant, call

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "192.0.2.1"},
        {"REMOTE_ADDR": ""},
        {"HTTP_HOST": "images.example.com"},
        {"HTTP_HOST": "[2001:db8::1]:8000"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.1"},
    ],
)
def test_what_crossed_a_network_unencrypted_is_refused(
    ann: Tenant, environ: dict[str, Any], settings: Settings
) -> None:
    for path in ("/collection", "/nothing"):
        reply = call(ann, "GET", path, **environ)
        assert reply.status == 403
        assert "https" in reply.body["message"]
    assert call(ann, "GET", "/collection", **{**environ, "wsgi.url_scheme": "https"}).status == 200
    settings.VISUALSNOOP_SERVER = {"ALLOW_HTTP": True}
    assert call(ann, "GET", "/collection", **environ).status == 200


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "images.localhost"])
def test_what_stayed_on_the_machine_is_not(ann: Tenant, host: str) -> None:
    assert call(ann, "GET", "/collection", HTTP_HOST=host).status == 200
    assert call(ann, "GET", "/collection", HTTP_HOST=host, REMOTE_ADDR="::1").status == 200
