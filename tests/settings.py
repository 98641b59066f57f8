"""Settings of the test suite. ``TEST_DATABASE`` chooses sqlite (default), postgresql or mariadb."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any


def temporary_folder(purpose: str) -> str:
    """Make a folder that goes when this process ends, and not with one that it has forked."""
    folder, maker = tempfile.mkdtemp(prefix=f"visualsnoop-test-{purpose}-"), os.getpid()

    def remove() -> None:
        if os.getpid() == maker:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


SECRET_KEY = "only for tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = os.environ.get("TEST_MEDIA_ROOT") or temporary_folder("media")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_visualsnoop",
    "django_visualsnoop.engine",
    "django_visualsnoop.server",
    "tests.testapp",
    "tests.twins",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

TEST_DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
#: Two runs at once on one server need two prefixes.
PREFIX = os.environ.get("TEST_DATABASE_PREFIX", "visualsnoop")

#: A worker process opens the database that the test runner made.
TEST_PREFIX = "test_" if os.environ.get("TEST_IS_WORKER") else ""


def database(name: str) -> dict[str, Any]:
    """Return one entry of DATABASES on the server that ``TEST_DATABASE`` names."""
    if TEST_DATABASE == "sqlite":
        # Files, not memory: threads and worker processes must see the same database.
        folder = Path(os.environ.get("TEST_SQLITE_FOLDER") or temporary_folder("db"))
        path = folder / f"{TEST_PREFIX}{name}.sqlite3"
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path,
            "TEST": {"NAME": folder / f"test_{name}.sqlite3"},
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": os.environ.get("TEST_TRANSACTION_MODE", "IMMEDIATE"),
                # Waiting for the disk keeps nothing that outlives the machine: half of the time.
                "init_command": "PRAGMA synchronous = OFF",
            },
        }
    if TEST_DATABASE == "postgresql":
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": f"{TEST_PREFIX}{PREFIX}_{name}",
            "HOST": os.environ.get("TEST_POSTGRESQL_HOST", "127.0.0.1"),
            "PORT": os.environ.get("TEST_POSTGRESQL_PORT", ""),
            "USER": os.environ.get("TEST_POSTGRESQL_USER", "postgres"),
            "PASSWORD": os.environ.get("TEST_POSTGRESQL_PASSWORD", ""),
        }
    if TEST_DATABASE == "mariadb":
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": f"{TEST_PREFIX}{PREFIX}_{name}",
            "HOST": os.environ.get("TEST_MARIADB_HOST", "127.0.0.1"),
            "USER": os.environ.get("TEST_MARIADB_USER", "root"),
            "PASSWORD": os.environ.get("TEST_MARIADB_PASSWORD", ""),
            "OPTIONS": {"charset": "utf8mb4"},
        }
    raise RuntimeError(
        f"TEST_DATABASE={TEST_DATABASE!r} is unknown; use sqlite, postgresql or mariadb."
    )


DATABASES = {"default": database("default"), "other": database("other")}

#: The model of the package costs some 10 ms a picture: tests of it ask for it.
BLIND = {"embedding": None}
VISUALSNOOP = {
    "default": {"OPTIONS": BLIND},
    "archive": {"NAME": "archive", "OPTIONS": BLIND},
}

CELERY_BROKER_URL = os.environ.get("TEST_BROKER_URL", "memory://")
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("TEST_QUEUE", "celery")
#: The workers of the tests serve one queue.
VISUALSNOOP_REINDEX_QUEUE = None
CELERY_BEAT_SCHEDULE = {
    "visualsnoop": {"task": "django_visualsnoop.sync_all", "schedule": 60.0},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
