"""What the tests of the index in PostgreSQL do to databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.index.pgvector.databases import create_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker


@pytest.fixture(autouse=True)
def unblocked(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let each test open these databases, which are none of the suite's."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def empty_database(server_url: str, unblocked: None) -> Iterator[str]:
    """The alias of a database without the extension."""
    with create_database("empty", server_url) as alias:
        yield alias
