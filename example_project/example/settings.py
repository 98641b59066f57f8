"""Settings of the demo: fine on one's own machine, not meant to be deployed."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
#: Everything that the demo writes.
DATA = Path(os.environ.get("EXAMPLE_DATA") or PROJECT.parent / ".demo")

DEBUG = True
SECRET_KEY = "django-insecure-this-key-is-public-and-only-for-the-demo"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_visualsnoop",
    "django_visualsnoop.engine",
    "example",
    "shop",
    "archive",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "example.urls"
WSGI_APPLICATION = "example.wsgi.application"
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

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "example.sqlite3",
        # The web server and the worker's processes write at the same time.
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-gb"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = DATA / "media"

VISUALSNOOP = {
    "default": {"BACKEND": "django_visualsnoop.collections.local.LocalCollection"},
    "archive": {"BACKEND": "django_visualsnoop.collections.local.LocalCollection"},
}

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "folder://")
if CELERY_BROKER_URL == "folder://":
    CELERY_BROKER_TRANSPORT_OPTIONS = {"folder": DATA / "broker", "polling_interval": 0.2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "sync records that are due": {
        "task": "django_visualsnoop.sync_all",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
}
