"""The index in PostgreSQL does what every index outside the process must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.engine.index.pgvector import PgvectorIndex
from tests.engine.index.outside_contract import OutsideIndexContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.engine.index.base import IndexEntry

pytestmark = pytest.mark.service("pgvector")


class MaintainedIndex(PgvectorIndex):
    """Searches collections of more than one image by their HNSW indexes."""

    def __init__(self, database: str) -> None:
        super().__init__(database, exact=1)

    def upsert(self, collection_id: str, entries: Sequence[IndexEntry]) -> None:
        super().upsert(collection_id, entries)
        self.maintain()


class TestSmallCollections(OutsideIndexContract):
    @pytest.fixture
    def index(self, database: str) -> PgvectorIndex:
        index = PgvectorIndex(database)
        index.prepare()
        return index


class TestLargeCollections(OutsideIndexContract):
    @pytest.fixture
    def index(self, database: str) -> PgvectorIndex:
        index = MaintainedIndex(database)
        index.prepare()
        return index
