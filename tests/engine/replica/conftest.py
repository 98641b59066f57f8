"""A collection without options."""

from __future__ import annotations

import pytest

from django_visualsnoop.collections.local import LocalCollection


@pytest.fixture
def collection() -> LocalCollection:
    return LocalCollection("shop", {})
