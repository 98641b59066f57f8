"""The settings of ``visualsnoop-server``, also for gunicorn and uvicorn.

The environment sets the values that differ between installations; see ``environment``.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import django

import django_visualsnoop
from django_visualsnoop.server.project import environment

DATA = environment.make_folder(environment.get_data_folder())

SECRET_KEY = environment.get_secret_key(DATA)
SECRET_KEY_FALLBACKS = environment.get_old_secret_keys(DATA)
DEBUG = False
ALLOWED_HOSTS = environment.get_hosts()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_visualsnoop.engine",
    "django_visualsnoop.server",
    "axes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_visualsnoop.server.project.admin_forms.limit_admin_forms",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "django_visualsnoop.server.project.urls"
WSGI_APPLICATION = "django_visualsnoop.server.project.wsgi.application"
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

DATABASES = {"default": environment.get_database(DATA)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
# Serve static files directly from the packages, so that no ``collectstatic`` is needed.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        # No URL: only the pages send pictures, to users who may see them.
        "OPTIONS": {
            "location": DATA / "pictures",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

_mailer = environment.get_mailer()
globals().update(
    environment.get_mail_settings(
        _mailer,
        has_mailers=django.VERSION >= (6, 1),
        sender=os.environ.get("VISUALSNOOP_EMAIL_FROM") or f"visualsnoop@{ALLOWED_HOSTS[0]}",
    )
)

SESSION_ENGINE = "django_visualsnoop.server.tenants.sessions"
LOGIN_URL = "visualsnoop_server:sign_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# Prevent the guessing of passwords on the pages and in the admin. Locks apply to a name and an
# address together, so that nobody can lock others out from elsewhere.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "django_visualsnoop.server.project.lockout.render_locked_out"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # otherwise every sign-in leaves a row forever

LANGUAGE_CODE = "en-gb"
#: The languages of the pages, the admin and the mails; the browser asks for one.
LANGUAGES = [
    ("de", "Deutsch"),
    ("en-gb", "English"),
    ("es", "español"),
    ("fr", "français"),
    ("ja", "日本語"),
    ("zh-hans", "简体中文"),
]
# The integration is not an installed app here, so Django does not find its folder by itself.
LOCALE_PATHS = [Path(django_visualsnoop.__file__).parent / "locale"]
TIME_ZONE = os.environ.get("VISUALSNOOP_TIME_ZONE") or "UTC"
USE_TZ = True

#: A proxy ends TLS in front of the server, and reports it in ``X-Forwarded-Proto``.
BEHIND_HTTPS = environment.is_on("HTTPS")
if BEHIND_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_HTTPS
SECURE_HSTS_SECONDS = 3600 * 24 * 365 if BEHIND_HTTPS else 0
CSRF_FAILURE_VIEW = "django_visualsnoop.server.pages.rendering.csrf_failure"
SESSION_COOKIE_NAME = "visualsnoop-session"
CSRF_COOKIE_NAME = "visualsnoop-csrf"
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS is for this host; the other hosts are not ours
    "security.W008",  # the API answers plain http with 403; the proxy redirects the pages
    "security.W021",
]

VISUALSNOOP_SERVER = {
    "CACHE": str(DATA / "index"),
    "PATH_PREFIX": os.environ.get("VISUALSNOOP_PATH_PREFIX", ""),
    "ALLOW_HTTP": environment.is_on("ALLOW_HTTP"),
    "MAIL": _mailer is not None,
    "REGISTRATION": environment.get_registration(has_mail=_mailer is not None),
    "OWN_ACCOUNTS": True,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django": {"handlers": ["console"], "level": "WARNING", "propagate": False}},
}
