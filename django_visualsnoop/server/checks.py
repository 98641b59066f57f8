"""System checks of the server. They check settings and URLs, and open no connection."""

from __future__ import annotations

import re
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004 -- Django's name
    register,
)
from django.core.exceptions import ImproperlyConfigured
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from django_visualsnoop.server.conf import get_options

TAG = "visualsnoop"

_ENGINE = "django_visualsnoop.engine"
_MIDDLEWARE = "django.middleware"


def register_all() -> None:
    for check in (check_settings, check_engine, check_redirects, check_pages, check_mail):
        register(check, TAG)


def check_settings(**_: Any) -> list[CheckMessage]:
    try:
        get_options()
    except ImproperlyConfigured as error:
        return [
            Error(
                str(error),
                hint="Correct VISUALSNOOP_SERVER in the settings.",
                id="visualsnoop_server.E001",
            )
        ]
    return []


def check_engine(**_: Any) -> list[CheckMessage]:
    if apps.is_installed(_ENGINE):
        return []
    return [
        Error(
            "The server requires the embedded engine, which is not in INSTALLED_APPS.",
            hint=f'Add "{_ENGINE}" to INSTALLED_APPS and type: python manage.py migrate',
            id="visualsnoop_server.E002",
        )
    ]


def check_redirects(**_: Any) -> list[CheckMessage]:
    """Check for redirects: clients do not follow them.

    A POST would become a GET, and the signature invalid.
    """
    try:
        prefixes = [reverse(f"visualsnoop_server:{name}") for name in ("api_v1", "api_v2")]
    except (NoReverseMatch, ImproperlyConfigured):
        return []
    found: list[CheckMessage] = []
    paths = [prefix.lstrip("/") for prefix in prefixes]
    escaped = "|".join(map(re.escape, paths))
    shown = " and ".join(f"{prefix}/" for prefix in prefixes)
    # Match as SecurityMiddleware does. An id may contain a new line.
    exempt = all(
        any(re.search(pattern, probe) for pattern in settings.SECURE_REDIRECT_EXEMPT)
        for path in paths
        for probe in (path, f"{path}/collection", f"{path}/image/a\nb")
    )
    redirects = settings.SECURE_SSL_REDIRECT and _has_middleware(
        f"{_MIDDLEWARE}.security.SecurityMiddleware"
    )
    if redirects and not exempt:
        found.append(
            Error(
                f"SECURE_SSL_REDIRECT redirects requests to {shown}, which breaks clients.",
                hint="Add this to the settings: "
                f'SECURE_REDIRECT_EXEMPT = [r"^({escaped})(/|$)"]. The server then refuses plain '
                "HTTP there instead of redirecting it.",
                id="visualsnoop_server.E003",
            )
        )
    if settings.PREPEND_WWW and _has_middleware(f"{_MIDDLEWARE}.common.CommonMiddleware"):
        found.append(
            Error(
                f"PREPEND_WWW redirects requests to {shown}, which breaks clients.",
                hint="Set PREPEND_WWW = False, and redirect the site's pages in the web server.",
                id="visualsnoop_server.E004",
            )
        )
    return found


def check_pages(**_: Any) -> list[CheckMessage]:
    """Check what the pages need: without it, the API works, but every page is an error 500."""
    try:
        reverse("visualsnoop_server:collections")
    except (NoReverseMatch, ImproperlyConfigured):
        return []
    needed = ("sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware")
    missing = [name for part in needed if not _has_middleware(name := f"django.contrib.{part}")]
    found: list[CheckMessage] = []
    if missing:
        found.append(
            Warning(
                f"The server's pages require {' and '.join(missing)}.",
                hint="Add it to MIDDLEWARE, sessions before auth, and add "
                "django.contrib.sessions and django.contrib.auth to INSTALLED_APPS.",
                id="visualsnoop_server.W001",
            )
        )
    try:
        get_template("visualsnoop_server/base.html")
    except (TemplateDoesNotExist, ImproperlyConfigured):
        found.append(
            Warning(
                "TEMPLATES cannot find the templates of the server's pages.",
                hint='Set "APP_DIRS": True for the backend DjangoTemplates in TEMPLATES.',
                id="visualsnoop_server.W002",
            )
        )
    return found


def check_mail(**_: Any) -> list[CheckMessage]:
    """Check that users who register can get the mail that confirms their address."""
    try:
        options = get_options()
    except ImproperlyConfigured:
        return []
    if options.registration == "off" or options.mail:
        return []
    return [
        Error(
            f'VISUALSNOOP_SERVER["REGISTRATION"] is "{options.registration}", but the server sends '
            "no mail, so nobody can confirm an address.",
            hint='Set up mail in the settings of Django and add "MAIL": True to '
            'VISUALSNOOP_SERVER, or set "REGISTRATION": "off".',
            id="visualsnoop_server.E005",
        )
    ]


def _has_middleware(middleware: str) -> bool:
    wanted = import_string(middleware)
    for name in settings.MIDDLEWARE:
        made = import_string(name)
        if isinstance(made, type) and issubclass(made, wanted):
            return True
    return False
