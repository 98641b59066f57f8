"""What is done to an image, all of it or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from django_visualsnoop.server.content import metadata
from tests.collections.contract import image
from tests.server.hosting import Tenant, call
from tests.server.v2 import ask, put

pytestmark = pytest.mark.django_db


def test_metadata_goes_with_the_image_whoever_deletes_it(ann: Tenant) -> None:
    put(ann, "a", 1, sku=5)
    call(ann, "PUT", "/image/a", image(2))
    assert ask(ann, "GET", "/images/a").body["metadata"] == {"sku": 5}
    call(ann, "DELETE", "/image/a")
    call(ann, "POST", "/image/a", image(1))
    assert ask(ann, "GET", "/images/a").body["metadata"] == {}


def test_metadata_is_written_with_the_image_or_not_at_all(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(metadata, "_dump", fails)
        assert ask(ann, "PUT", "/images/a", image(1), metadata='{"a": 1}').status == 500
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "write_metadata", fails)
        assert ask(ann, "PUT", "/images/a", image(1), metadata='{"a": 1}').status == 500
        assert ask(ann, "POST", "/images", image(1), metadata='{"a": 1}').status == 500
    assert ask(ann, "GET", "/count").body == {"count": 0}
    put(ann, "a", 1, x=1)
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "remove_metadata", fails)
        assert ask(ann, "DELETE", "/images/a").status == 500
    assert ask(ann, "GET", "/images/a").body["metadata"] == {"x": 1}
