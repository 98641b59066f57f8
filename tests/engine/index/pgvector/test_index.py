"""The index in PostgreSQL: what every index outside the process must do, and its own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.engine.index.pgvector import PgvectorIndex
from tests.engine.index.outside_contract import OutsideIndexContract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_django import DjangoDbBlocker

    from django_visualsnoop.engine.index.base import IndexEntry

pytestmark = pytest.mark.service("pgvector")


class MaintainedIndex(PgvectorIndex):
    """Searches collections of more than a few images by their HNSW indexes."""

    def upsert(self, collection_id: str, entries: Sequence[IndexEntry]) -> None:
        super().upsert(collection_id, entries)
        self.maintain()


class TestContract(OutsideIndexContract):
    @pytest.fixture
    def index(self, database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[PgvectorIndex]:
        with django_db_blocker.unblock():
            index = PgvectorIndex(database)
            index.prepare()
            yield index


class TestContractOfLargeCollections(OutsideIndexContract):
    @pytest.fixture
    def index(self, database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[PgvectorIndex]:
        with django_db_blocker.unblock():
            index = MaintainedIndex(database, exact=1)
            index.prepare()
            yield index
