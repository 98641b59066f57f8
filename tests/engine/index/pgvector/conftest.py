"""A database with pgvector, whichever one the other tests use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from django.db import connections

from tests import services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

#: Alias in ``DATABASES``, while a test runs.
ALIAS = "pgvector"


@pytest.fixture(scope="session")
def server_url() -> str:
    return services.require("pgvector")


@pytest.fixture(scope="session")
def database(server_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Return the alias of an empty database of its own."""
    parts = urlsplit(server_url)
    name = f"visualsnoop_pgvector_{os.getpid()}"
    with django_db_blocker.unblock():
        settings = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "HOST": parts.hostname,
            "PORT": parts.port,
            "USER": parts.username,
            "PASSWORD": parts.password or "",
        }
        connections.databases[ALIAS] = connections.configure_settings(
            {"default": {}, ALIAS: settings}
        )[ALIAS]
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        connections[ALIAS].close()
        connections[ALIAS].settings_dict["NAME"] = name
        connections.databases[ALIAS]["NAME"] = name
        yield ALIAS
        connections[ALIAS].close()
        connections[ALIAS].settings_dict["NAME"] = "postgres"
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.databases[ALIAS]
