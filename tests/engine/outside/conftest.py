"""A collection whose index is outside the process."""

from __future__ import annotations

import pytest

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine.outside import create
from tests.engine.index.milvus.conftest import milvus_prefix, milvus_uri
from tests.engine.index.pgvector.conftest import database, server_url
from tests.engine.outside.in_process import InProcessIndex

__all__ = ["database", "milvus_prefix", "milvus_uri", "server_url"]


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> InProcessIndex:
    found = InProcessIndex("milvus")
    monkeypatch.setattr(create, "create_index", lambda *_: found)
    return found


@pytest.fixture
def collection(index: InProcessIndex) -> LocalCollection:
    return LocalCollection("shop", {"OPTIONS": {"index": "milvus"}})
