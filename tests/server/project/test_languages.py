"""The server speaks the language that a browser asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils.translation import gettext, override

from tests.server import mailbox as mailboxes
from tests.server.mailbox import Mailbox
from tests.server.project.installed import Installed, ask, post

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.http

#: What a browser asks for → the language of the page, and Django's own word for a password.
LANGUAGES = {
    "de-AT,de;q=0.9,en;q=0.8": ("de", "Passwort"),
    "en-US": ("en-gb", "Password"),
    "es-MX": ("es", "Contraseña"),
    "fr": ("fr", "Mot de passe"),
    "ja": ("ja", "パスワード"),
    "zh-CN": ("zh-hans", "密码"),
    "tlh": ("en-gb", "Password"),
}
GERMAN = "Legen Sie Ihr Konto bei localhost an"


def test_pages_and_mails_are_in_the_language_of_the_browser(tmp_path: Path) -> None:
    box = Mailbox()
    controller = mailboxes.start(box)
    installed = Installed(
        tmp_path,
        VISUALSNOOP_EMAIL_URL=box.url,
        VISUALSNOOP_REGISTRATION="open",
        VISUALSNOOP_HTTPS="1",
    )
    try:
        with installed.serving() as port:
            for wanted, (language, password) in LANGUAGES.items():
                headers = {
                    "Host": "localhost",
                    "X_Forwarded_Proto": "https",
                    "Accept_Language": wanted,
                }
                with override(language):
                    forgotten = gettext("Forgot your password?")
                    subject = gettext("Create your account at %(host)s") % {"host": "localhost"}
                for path, texts in (
                    ("/sign-in/", (password, forgotten)),
                    ("/admin/login/", (password,)),
                ):
                    _status, _headers, page = ask(port, "GET", path, **headers)
                    assert f'<html lang="{language}"' in page
                    assert all(text in page for text in texts), page
                recipient = f"{language}{len(wanted)}@example.com"
                status, _headers, page = post(port, "/register/", {"email": recipient}, **headers)
                assert status == 200, page
                mail = box.take(recipient)
                assert mail.startswith(subject)
                assert (GERMAN in mail) == (language == "de")
    finally:
        controller.stop()
