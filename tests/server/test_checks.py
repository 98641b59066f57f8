from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.server import checks
from django_visualsnoop.server.conf import get_options

if TYPE_CHECKING:
    from django.core.checks import CheckMessage
    from pytest_django.fixtures import Settings

SECURITY = "django.middleware.security.SecurityMiddleware"
OF_PAGES = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


def found() -> dict[str, CheckMessage]:
    messages = [*run_checks(tags=[checks.TAG]), *checks.check_engine()]
    assert all(message.hint for message in messages)
    return {str(one.id): one for one in messages if str(one.id).startswith("visualsnoop_server")}


def test_registering_needs_mail(settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"REGISTRATION": "open"}
    assert '"REGISTRATION"] is "open", but' in found()["visualsnoop_server.E005"].msg
    settings.VISUALSNOOP_SERVER = {"REGISTRATION": "open", "MAIL": True}
    assert found() == {}


def test_nothing_is_wrong() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "must be a dict"),
        ({"KEYS": 1}, "unknown option 'KEYS'"),
        ({"PATH_PREFIX": "images/"}, 'must be a path such as "/images", with'),
        ({"PATH_PREFIX": 1}, "not 1"),
        ({"REGISTRATION": True}, '"off", "invitation" or "open"'),
        ({"ALLOW_HTTP": "no"}, "must be True or False, not 'no'"),
        ({"MAX_BYTES": 0}, "must be a positive integer, not 0"),
        ({"MAX_BYTES": True}, "must be a positive integer, not True"),
        ({"CAPTURE_TIMES": None}, "must be True or False, not None"),
        ({"EMBEDDING": "lite0"}, "must be True or False, not 'lite0'"),
        ({"STORAGE": "nowhere"}, "must be an alias of STORAGES, not 'nowhere'"),
        ({"CACHE": ""}, "must be the path of a folder, or None, not ''"),
        ({"ENCRYPTION_KEYS": ["s3cret"]}, "Fernet.generate_key"),
        ({"ENCRYPTION_KEYS": "s3cret"}, "Fernet.generate_key"),
    ],
)
def test_e001(settings: Settings, given: Any, words: str) -> None:
    settings.VISUALSNOOP_SERVER = given
    assert words in found()["visualsnoop_server.E001"].msg
    with pytest.raises(ImproperlyConfigured) as caught:
        get_options()
    assert "s3cret" not in str(caught.value)


def test_e002(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "is_installed", lambda name: False)
    assert "INSTALLED_APPS" in str(found()["visualsnoop_server.E002"].hint)


def test_e003(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert found() == {}  # nothing redirects
    settings.MIDDLEWARE = ["tests.server.middleware.passing", SECURITY, *OF_PAGES]
    hint = str(found()["visualsnoop_server.E003"].hint)
    for exempt, fine in (
        ([r"^api/v1/"], False),  # not the prefix itself
        ([r"^api/v1$", r"^api/v1/.*$"], False),  # an id may hold a new line
        ([r"^api/v1(/|$)"], False),  # not API v2
        ([r"^healthz", r"^api/"], True),
        ([hint.partition('r"')[2].partition('"')[0]], True),
    ):
        settings.SECURE_REDIRECT_EXEMPT = exempt
        assert (found() == {}) == fine
    settings.SECURE_REDIRECT_EXEMPT = []
    settings.ROOT_URLCONF = "tests.server.no_urls"
    assert found() == {}


def test_e004(settings: Settings) -> None:
    settings.PREPEND_WWW = True
    assert found() == {}
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", *OF_PAGES]
    assert set(found()) == {"visualsnoop_server.E004"}


def test_w001(settings: Settings) -> None:
    settings.MIDDLEWARE = OF_PAGES[:1]
    message = found()["visualsnoop_server.W001"].msg
    assert OF_PAGES[1] in message
    assert OF_PAGES[0] not in message
    settings.ROOT_URLCONF = "tests.server.no_urls"
    assert found() == {}


def test_w002(settings: Settings) -> None:
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
    assert set(found()) == {"visualsnoop_server.W002"}
