"""``visualsnoop-server``: what a stranger types, and what it makes of the environment."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.core.management import call_command

from django_visualsnoop.server.project import environment
from django_visualsnoop.server.project.environment import BadEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.http

ROOT = Path(__file__).parents[3]
PASSWORD = "correct horse battery"


class Installed:
    """The command, with a data folder of its own."""

    def __init__(self, folder: Path, **variables: str) -> None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("VISUALSNOOP_", "DJANGO_", "TEST_"))
        }
        self.env = {**inherited, "VISUALSNOOP_DATA": str(folder), **variables}

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "django_visualsnoop.server.project.main", *words],
            cwd=ROOT,
            env=self.env,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def serving(self) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "django_visualsnoop.server.project.main"),
                *("--listen", f"127.0.0.1:{port}"),
            ],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("Ctrl-C"):
                    break
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=60)


def ask(port: int, method: str, path: str, body: str = "", **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body.encode(), fields)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, answer.headers, text
    finally:
        connection.close()


def test_a_stranger_is_served(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    installed = Installed(folder, VISUALSNOOP_HTTPS="1", VISUALSNOOP_HOSTS="images.example.com")
    weak = installed.run("createuser", "ann@example.com", "--password-stdin", given="123\n")
    assert weak.returncode == 1
    assert "too short" in weak.stderr
    made = installed.run("createuser", "ann@example.com", "--password-stdin", given=f"{PASSWORD}\n")
    assert made.stdout == "ann@example.com can sign in now, also at /admin/.\n", made.stderr
    again = installed.run("createuser", "ANN@example.com", "--password-stdin", given="x\n")
    assert again.returncode == 1
    assert "changepassword" in again.stderr
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "secret-key").stat().st_mode) == 0o600

    proxied = {"Host": "images.example.com", "X_Forwarded_Proto": "https"}
    with installed.serving() as port:
        assert json.loads(ask(port, "GET", "/healthz")[2]) == {"live": True}
        ready = {"ready": True, "database": True, "migrations": True}
        assert json.loads(ask(port, "GET", "/readyz")[2]) == ready
        assert ask(port, "GET", "/", Host="elsewhere.example")[0] == 400
        style = ask(port, "GET", "/static/visualsnoop_server/pages.css")
        assert (style[0], style[1]["Content-Type"]) == (200, 'text/css; charset="utf-8"')
        status, headers, _ = ask(port, "GET", "/sign-in/", **proxied)
        assert status == 200
        assert "Secure" in headers["Set-Cookie"]
        assert "max-age" in headers["Strict-Transport-Security"]
        status, headers, _ = sign_in(port, PASSWORD, **proxied)
        assert (status, headers["Location"]) == (302, "/")
        for path, method, status, said in (
            ("/nowhere", "GET", 404, "Page not found"),
            ("/sign-in/", "POST", 403, "The form has expired"),
        ):
            answer = ask(port, method, path, **proxied)
            assert answer[0] == status
            assert f"<h1>{said}</h1>" in answer[2]
            assert "Content-Security-Policy" in answer[1]
        refused = ask(port, "GET", "/api/v1/collection", **{**proxied, "X_Forwarded_Proto": "http"})
        assert refused[0] == 403
    checked = installed.run("check", "--deploy", "--fail-level", "WARNING")
    assert checked.returncode == 0, checked.stderr


def sign_in(port: int, password: str, **headers: str) -> Any:
    """Try to sign in as Ann; return the answer."""
    _, found, text = ask(port, "GET", "/sign-in/", **headers)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
    assert token is not None
    fields = {
        "username": "ann@example.com",
        "password": password,
        "csrfmiddlewaretoken": token[1],
    }
    return ask(
        port,
        "POST",
        "/sign-in/",
        urlencode(fields),
        **headers,
        Cookie=found["Set-Cookie"].partition(";")[0],
        Origin=f"https://{headers['Host']}",
        Content_Type="application/x-www-form-urlencoded",
    )


def test_passwords_are_not_guessed(tmp_path: Path) -> None:
    installed = Installed(tmp_path, VISUALSNOOP_HTTPS="1")
    installed.run("createuser", "ann@example.com", "--password-stdin", given=f"{PASSWORD}\n")
    guesser = {"Host": "localhost", "X_Forwarded_Proto": "https", "X_Forwarded_For": "192.0.2.1"}
    elsewhere = {**guesser, "X_Forwarded_For": "192.0.2.1, 192.0.2.2"}  # the proxy's is the last
    with installed.serving() as port:
        for guess in range(4):
            assert sign_in(port, f"guess {guess}", **guesser)[0] == 200
        for password in ("guess 4", PASSWORD):
            status, headers, text = sign_in(port, password, **guesser)
            assert (status, headers["Retry-After"]) == (429, "900")
            assert "Try again in 15 minutes" in text
            assert "Content-Security-Policy" in headers
        assert sign_in(port, PASSWORD, **elsewhere)[0] == 302
        ended = installed.run("axes_reset_username", "ann@example.com")
        assert ended.returncode == 0, ended.stderr
        assert sign_in(port, PASSWORD, **guesser)[0] == 302


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


@pytest.mark.django_db
def test_the_migrations_make_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", "visualsnoop_server", check=True, dry_run=True)
    assert "No changes detected" in capsys.readouterr().out
