"""The client of 2015, unmodified: ``pip install visualsnoop==0.2 --no-deps``, and this runs."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import io
from typing import TYPE_CHECKING, Any

import pytest

from tests.collections.contract import image
from tests.server.tenants import tenant

if TYPE_CHECKING:
    from tests.server.serving import Served

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        importlib.util.find_spec("visualsnoop") is None,
        reason="needs the client of 2015: pip install visualsnoop==0.2 --no-deps",
    ),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> Any:
    # Removed in Python 3.9.
    monkeypatch.setattr(base64, "encodestring", base64.encodebytes, raising=False)
    return importlib.import_module("visualsnoop.models")


def test_every_call(served: Served, old: Any) -> None:
    ann = tenant("Holidays")
    client = old.Collection(ann.public_key, ann.secret, endpoint=served.endpoint)
    assert (client.id, client.name) == (ann.collection_id, "Holidays")
    assert client.add_image(io.BytesIO(image(1)))["status"] == 201
    for image_id in ("a", "two words", "a/b", "café"):
        added = client.add_image(io.BytesIO(image(1)), image_id)
        assert (added["status"], added["image_id"]) == (201, image_id)
        assert client.add_image(io.BytesIO(image(2)), image_id)["status"] == 409
        assert client.add_image(io.BytesIO(image(1)), image_id, True)["status"] == 200
        assert client.get_image(image_id)["image_id"] == image_id
    assert len(client.search_images(io.BytesIO(image(1)))["results"]) == 5
    assert len(client.search_images_by_id("a")["results"]) == 4
    assert client.get_images(count=2)["next_image_id"] == "two words"
    assert [item["id"] for item in client.get_images(start="a/b", count=1)["images"]] == ["a/b"]
    assert client.delete_image("a/b")["status"] == 200
    assert client.get_image("a/b")["status"] == 404


def test_wrong_keys(served: Served, old: Any) -> None:
    ann = tenant()
    with pytest.raises(OSError, match="unknown or the signature is wrong"):
        old.Collection(ann.public_key, "wrong", endpoint=served.endpoint)
