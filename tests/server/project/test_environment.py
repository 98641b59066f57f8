"""What the environment says of how the server is to run."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from django_visualsnoop.server.project import environment
from django_visualsnoop.server.project.environment import BadEnvironment

pytestmark = pytest.mark.http


def test_the_secret_key_is_made_once(tmp_path: Path) -> None:
    made = environment.get_secret_key(tmp_path, {})
    assert len(made) > 60
    assert environment.get_secret_key(tmp_path, {}) == made
    assert environment.get_secret_key(tmp_path, {"VISUALSNOOP_SECRET_KEY": "given"}) == "given"
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_the_database_is_private_in_a_folder_that_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o755)
    old = os.umask(0o022)
    try:
        path = environment.get_database(tmp_path, {})["NAME"]
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE one (two)")
            database.commit()
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
        database.close()
    finally:
        os.umask(old)
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3
    # One that an older version has made.
    path.chmod(0o644)
    environment.get_database(tmp_path, {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Other users could read" in capsys.readouterr().err


def test_databases(tmp_path: Path) -> None:
    def given(url: str) -> dict[str, Any]:
        return environment.get_database(tmp_path, {"VISUALSNOOP_DATABASE": url})

    assert given("")["NAME"] == tmp_path / "visualsnoop.sqlite3"
    assert given("sqlite:////var/lib/v.sqlite3")["NAME"] == Path("/var/lib/v.sqlite3")
    found = given("postgresql://ann:p%40ss%2F@db.example.com:5433/images")
    names = ("ENGINE", "USER", "PASSWORD", "HOST", "PORT", "NAME")
    assert [found[name] for name in names] == [
        *("django.db.backends.postgresql", "ann", "p@ss/", "db.example.com", "5433", "images"),
    ]
    assert given("mariadb://localhost/images")["OPTIONS"] == {"charset": "utf8mb4"}
    for url in ("oracle://u:s3cret@h/n", "postgresql://u:s3cret@h/", "mysql://u:s3cret@h:x/n"):
        with pytest.raises(BadEnvironment, match="use postgresql://USER") as caught:
            given(url)
        assert "s3cret" not in str(caught.value)


def test_mail() -> None:
    def given(url: str) -> dict[str, Any] | None:
        return environment.get_mailer({"VISUALSNOOP_EMAIL_URL": url})

    assert given("") is None
    assert environment.get_mail_settings(None, has_mailers=True, sender="a@b.c") == {}
    mailer = given("submission://ann:p%40ss@mail.example.com")
    assert mailer is not None
    names = ("host", "port", "username", "password", "use_tls", "timeout")
    assert [mailer["OPTIONS"][name] for name in names] == [
        *("mail.example.com", 587, "ann", "p@ss", True, 10),
    ]
    assert "use_tls" not in str(given("smtp://localhost:2525"))
    assert "'use_ssl': True" in str(given("smtps://localhost"))
    for has_mailers in (True, False):
        found = environment.get_mail_settings(mailer, has_mailers=has_mailers, sender="a@b.c")
        assert found.pop("DEFAULT_FROM_EMAIL") == "a@b.c"
        assert set(found) == (
            {"MAILERS"}
            if has_mailers
            else {
                *("EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER"),
                *("EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS", "EMAIL_TIMEOUT"),
            }
        )
    assert "console" in str(given("console:"))
    for url in ("imap://u:s3cret@h", "smtp://", "submission://u:s3cret@h:x"):
        with pytest.raises(BadEnvironment, match="use submission://USER") as caught:
            given(url)
        assert "s3cret" not in str(caught.value)


def test_registration() -> None:
    def given(text: str, has_mail: bool) -> str:
        return environment.get_registration(has_mail, {"VISUALSNOOP_REGISTRATION": text})

    assert environment.get_registration(False, {}) == "off"
    assert given("invitation", True) == "invitation"
    with pytest.raises(BadEnvironment, match="must be off, invitation or open, not 'on'"):
        given("on", True)
    with pytest.raises(BadEnvironment, match="Set VISUALSNOOP_EMAIL_URL to submission:"):
        given("open", False)


def test_other_variables(tmp_path: Path) -> None:
    hosts = environment.get_hosts({"VISUALSNOOP_HOSTS": "a.example, b.example"})
    assert hosts[:2] == ["a.example", "b.example"]
    assert "localhost" in environment.get_hosts({})
    with pytest.raises(BadEnvironment, match="use only host names"):
        environment.get_hosts({"VISUALSNOOP_HOSTS": "https://a.example"})
    assert environment.is_on("HTTPS", {"VISUALSNOOP_HTTPS": "1"})
    assert not environment.is_on("HTTPS", {})
    with pytest.raises(BadEnvironment, match="VISUALSNOOP_HTTPS must be 1 or 0, not 'yes'"):
        environment.is_on("HTTPS", {"VISUALSNOOP_HTTPS": "yes"})
    assert environment.get_data_folder({}) == Path.home() / ".visualsnoop"
    (tmp_path / "file").touch()
    with pytest.raises(BadEnvironment, match="which could not be created: "):
        environment.make_folder(tmp_path / "file" / "data")
