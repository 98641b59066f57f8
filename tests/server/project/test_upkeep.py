"""What the documentation says to type for backups and for a new secret key."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.client.models import Collection
from tests.collections.contract import image
from tests.docs.blocks import blocks_of
from tests.server.project.installed import PASSWORD, ROOT, Installed, ask, sign_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.http, pytest.mark.slow]

PROXIED = {"Host": "localhost", "X_Forwarded_Proto": "https"}
PAGE = ROOT / "docs" / "server_running.rst"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder, and a folder with the command in it."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "python").symlink_to(sys.executable)
    server = commands / "visualsnoop-server"
    server.write_text(
        f'#!/bin/sh\nexec {sys.executable} -m django_visualsnoop.server.project.main "$@"\n'
    )
    server.chmod(0o755)
    return tmp_path


def type_in(home: Path, caption: str) -> None:
    (code,) = (block.code for block in blocks_of(PAGE) if block.caption == caption)
    installed = Installed(home / ".visualsnoop")
    env = {**installed.env, "HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
    env["PYTHONPATH"] = str(ROOT)
    del env["VISUALSNOOP_DATA"]
    done = subprocess.run(
        ["sh", "-ec", code], cwd=home, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def found(port: int, made: dict[str, str]) -> list[str]:
    endpoint = f"http://127.0.0.1:{port}/api/v1"
    client = Collection(made["public_key"], made["secret_key"], endpoint)
    return [one["id"] for one in client.search_images(image(1))["results"]]


def pictures(data: Path) -> list[Path]:
    return [path for path in (data / "pictures").rglob("*") if path.is_file()]


def is_signed_in(port: int, cookie: str) -> bool:
    status: int = ask(port, "GET", "/account/", **PROXIED, Cookie=cookie.partition(";")[0])[0]
    return status == 200


def test_backup_restore_and_a_new_secret_key(home: Path) -> None:
    data = home / ".visualsnoop"
    installed = Installed(data, VISUALSNOOP_HTTPS="1")
    installed.run("createuser", "ann@example.com", "--password-stdin", given=f"{PASSWORD}\n")
    words = ("visualsnoop_createcollection", "--owner", "ann@example.com", "--name", "n")
    made = json.loads(installed.run(*words).stdout)
    with installed.serving() as port:
        endpoint = f"http://127.0.0.1:{port}/api/v1"
        client = Collection(made["public_key"], made["secret_key"], endpoint)
        client.add_image(image(1), "a")
        _, headers, _ = sign_in(port, PASSWORD, **PROXIED)
        (cookie,) = (one for one in headers.get_all("Set-Cookie") if "session" in one)
        type_in(home, "Back up")
        client.delete_image("a")
    assert stat.S_IMODE((home / "backup").stat().st_mode) == 0o700

    type_in(home, "Restore")
    assert len(pictures(data)) == 1
    first = (data / "secret-key").read_text()
    type_in(home, "Change the secret key")
    assert (data / "secret-key").read_text() != first
    with installed.serving() as port:
        assert found(port, made) == ["a"]
        assert is_signed_in(port, cookie)
    type_in(home, "Remove the old key")
    with installed.serving() as port:
        assert found(port, made) == ["a"]
        assert not is_signed_in(port, cookie)
