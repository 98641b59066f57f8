from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.client import transport
from django_visualsnoop.client.models import Collection
from tests.v1server import PUBLIC_KEY, SECRET_KEY, V1Server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[V1Server]:
    with V1Server() as server:
        yield server


@pytest.fixture
def client(server: V1Server) -> Collection:
    return Collection(PUBLIC_KEY, SECRET_KEY, server.endpoint, connect=False)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the waits between attempts, in seconds, instead of waiting."""
    waits: list[float] = []
    monkeypatch.setattr(transport, "sleep", waits.append)
    return waits
