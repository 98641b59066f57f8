"""The index in PostgreSQL: what every index outside the process must do, and its own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.engine.index.pgvector import PgvectorIndex
from tests.engine.index.outside_contract import OutsideIndexContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

pytestmark = pytest.mark.service("pgvector")


class TestContract(OutsideIndexContract):
    @pytest.fixture
    def index(self, database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[PgvectorIndex]:
        with django_db_blocker.unblock():
            index = PgvectorIndex(database)
            index.prepare()
            yield index
