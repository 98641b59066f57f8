"""A collection whose index is outside the process."""

from __future__ import annotations

import pytest

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine.outside import create
from tests.engine.outside.in_process import InProcessIndex


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> InProcessIndex:
    found = InProcessIndex("milvus")
    monkeypatch.setattr(create, "create_index", lambda *_: found)
    return found


@pytest.fixture
def collection(index: InProcessIndex) -> LocalCollection:
    return LocalCollection("shop", {"OPTIONS": {"index": "milvus"}})
