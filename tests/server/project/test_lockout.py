"""Passwords are not guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.project.installed import PASSWORD, Installed, post, sign_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.http


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
        status, headers, _ = sign_in(port, PASSWORD, **guesser)
        assert status == 302
        # Nor are they where a user who is signed in types one.
        (cookie,) = (one for one in headers.get_all("Set-Cookie") if "session" in one)
        fields = {**guesser, "Cookie": cookie.partition(";")[0]}
        tried = [post(port, "/account/delete/", {"password": "x"}, **fields) for _ in range(5)]
        assert [answer[0] for answer in tried] == [400] * 4 + [429]
