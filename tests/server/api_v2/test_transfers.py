"""Export and import over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from django_visualsnoop.client.signing import MessageSignatureAuth
from tests.collections.contract import image
from tests.server.content.transfers import filled
from tests.server.hosting import Tenant, tenant
from tests.server.serving import PATIENCE
from tests.server.v2 import API2, ask

if TYPE_CHECKING:
    from tests.server.serving import Served

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_over_a_socket(served: Served) -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    endpoint = f"http://127.0.0.1:{served.port}{API2}"

    def send(whose: Tenant, method: str, path: str, **options: Any) -> requests.Response:
        # Signed, so that what is spooled is checked as well.
        auth = MessageSignatureAuth(whose.public_key, whose.secret)
        return requests.request(method, endpoint + path, auth=auth, timeout=PATIENCE, **options)

    file = send(ann, "GET", "/export")
    assert file.content.splitlines()[1:] == ask(ann, "GET", "/export").content.splitlines()[1:]
    imported = send(bob, "POST", "/import?replace=true", data=file.content)
    assert imported.json() == {"added": 4, "replaced": 0, "unchanged": 0}
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl says of any bytes
    found = send(bob, "POST", "/search", data=image(3), headers=form, params={"limit": 1})
    assert found.json()["matches"][0]["id"] == "d/é"
    assert send(bob, "GET", "/images/d/%C3%A9").json()["metadata"] == {"sku": 3}
    assert requests.get(f"{endpoint}/images/d", timeout=PATIENCE).json()["status"] == 401
