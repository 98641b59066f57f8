"""Settings of every process of the rig: those of the tests, with two real collections."""

from __future__ import annotations

import os
from typing import Any

from tests import settings as base
from tests.settings import *  # noqa: F403
from tests.v1server import PUBLIC_KEY, SECRET_KEY

INSTALLED_APPS = [*base.INSTALLED_APPS, "tests.faults"]
DATABASES = {"default": base.database("default")}
if base.TEST_DATABASE == "sqlite":
    options: dict[str, Any] = {"timeout": float(os.environ.get("RIG_SQLITE_TIMEOUT", "20"))}
    if not os.environ.get("RIG_STOCK"):  # else as startproject leaves it
        options["transaction_mode"] = "IMMEDIATE"
        options["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    DATABASES["default"]["OPTIONS"] = options

#: Shorter than what a batch takes when the collection is silent, or many records wait.
CELERY_TASK_SOFT_TIME_LIMIT = 2.5

STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"allow_overwrite": True},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

VISUALSNOOP: dict[str, dict[str, Any]] = {  # type: ignore[no-redef]
    # Without its own retries, a call is short, and so is the lease of a worker that dies.
    "default": {
        "BACKEND": "django_visualsnoop.collections.http.HTTPCollection",
        "ENDPOINT": os.environ.get("RIG_ENDPOINT", "http://127.0.0.1:9/api/v1"),
        "PUBLIC_KEY": PUBLIC_KEY,
        "SECRET_KEY": SECRET_KEY,
        "TIMEOUT": (0.5, 2.0),
        "OPTIONS": {"max_retries": 0},
    },
    "archive": {"BACKEND": "tests.faults.local.SmallPictures"},
}
