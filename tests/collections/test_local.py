from __future__ import annotations

import pytest

from django_visualsnoop.collections.local import LocalCollection
from tests.collections.contract import CollectionContract


@pytest.fixture
def collection(db: None) -> LocalCollection:
    return LocalCollection("default", {"NAME": "default", "OPTIONS": {}})


class TestLocalCollection(CollectionContract):
    """Inside of a transaction, as a TestCase of a project is."""


@pytest.mark.django_db(transaction=True)
class TestLocalCollectionCommitting(CollectionContract):
    """With every write committed, as a project is in production."""
