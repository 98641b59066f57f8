"""A database with pgvector, whichever one the other tests use."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.db import connections

from tests import services
from tests.engine.index.pgvector.server import run_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker


@contextmanager
def add_alias(alias: str, url: str, **settings: Any) -> Iterator[str]:
    """Add a database to Django's."""
    parts = urlsplit(url)
    configured = connections.configure_settings(
        {
            "default": {},
            alias: {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path[1:],
                "HOST": parts.hostname,
                "PORT": parts.port,
                "USER": parts.username,
                "PASSWORD": parts.password or "",
                **settings,
            },
        }
    )
    connections.databases[alias] = configured[alias]
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


@contextmanager
def create_database(alias: str, url: str) -> Iterator[str]:
    """Create an empty database, and drop it at the end."""
    name = f"visualsnoop_{alias}_{os.getpid()}"
    with add_alias(f"{alias}_admin", url) as admin:
        with connections[admin].cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        with add_alias(alias, url, NAME=name):
            yield alias
        with connections[admin].cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a PostgreSQL with pgvector, whose user may create databases."""
    found = services.require("pgvector")
    if services.PGVECTOR_URL:
        yield found
    else:
        with run_server() as server:
            yield server.url


@pytest.fixture(scope="session")
def database(server_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The alias of a database of all tests, whose collections have random ids."""
    with django_db_blocker.unblock(), create_database("pgvector", server_url) as alias:
        yield alias
