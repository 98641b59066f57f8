"""Making accounts, the first one for the admin."""

from __future__ import annotations

import getpass
import io
import sys

import pytest
from django.contrib.auth import authenticate, get_user_model

from django_visualsnoop.server.project.first_account import create_user
from django_visualsnoop.server.tenants.accounts import register

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _validated(settings: pytest.FixtureRequest) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [  # type: ignore[attr-defined]
        {"NAME": f"django.contrib.auth.password_validation.{name}"}
        for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator")
    ]


def create(monkeypatch: pytest.MonkeyPatch, name: str, password: str = f"{PASSWORD}\r\n") -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(password))
    return create_user(f"{name}@example.com", password_stdin=True)


def test_the_first_one_alone_may_use_the_admin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(monkeypatch, "ann") == create(monkeypatch, "bob") == 0
    assert capsys.readouterr().out.splitlines() == [
        "ann@example.com can sign in now, also at /admin/.",
        "bob@example.com can sign in now.",
    ]
    users = get_user_model().objects.order_by("pk").values_list("is_staff", "is_superuser")
    assert list(users) == [(True, True), (False, False)]
    assert authenticate(username="bob@example.com", password=PASSWORD) is not None


def test_who_has_registered_before_is_no_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    register("eve@example.com", PASSWORD)
    create(monkeypatch, "ann")
    users = get_user_model().objects.order_by("pk").values_list("email", "is_superuser")
    assert list(users) == [("eve@example.com", False), ("ann@example.com", True)]


@pytest.mark.parametrize(
    ("password", "words"), [("short", "too short"), ("ann@example.com", "too similar")]
)
def test_a_weak_password_makes_no_account(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], password: str, words: str
) -> None:
    assert create(monkeypatch, "ann", password) == 1
    assert words in capsys.readouterr().err
    assert not get_user_model().objects.exists()


def test_an_account_that_is_there_keeps_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    create(monkeypatch, "ann")
    assert create(monkeypatch, "ANN", "another password") == 1
    assert "visualsnoop-server changepassword ANN@example.com" in capsys.readouterr().err
    assert authenticate(username="ann@example.com", password=PASSWORD) is not None


def test_what_is_no_address_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(monkeypatch, "a b") == 1
    assert "'a b@example.com' is not an e-mail address" in capsys.readouterr().err


@pytest.mark.parametrize(("again", "status"), [(PASSWORD, 0), ("something else", 1)])
def test_a_password_that_is_typed_is_typed_twice(
    monkeypatch: pytest.MonkeyPatch, again: str, status: int
) -> None:
    typed = iter([PASSWORD, again])
    monkeypatch.setattr(getpass, "getpass", lambda _: next(typed))
    assert create_user("ann@example.com", password_stdin=False) == status
    assert get_user_model().objects.exists() is (status == 0)
