"""What a stranger types, and is served."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from tests.server.project.installed import PASSWORD, Installed, ask, sign_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.http


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
