"""A real mail server on a socket, which keeps what arrives."""

from __future__ import annotations

import email
import re
import socket
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import TYPE_CHECKING, Any

import django
from aiosmtpd.controller import Controller

from django_visualsnoop.server.project.environment import get_mail_settings, get_mailer

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


@dataclass
class Mailbox:
    """The mails in the order of their arrival."""

    mails: list[EmailMessage] = field(default_factory=list)
    port: int = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        parsed = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(parsed, EmailMessage)
        assert envelope.rcpt_tos == [parsed["To"]]
        self.mails.append(parsed)
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.endswith("@full.example"):
            return "552 The mailbox is full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def take(self, to: str) -> str:
        """Return the subject and the text of the only mail that has arrived, and forget it."""
        (mail,) = self.mails
        self.mails.clear()
        assert mail["To"] == to
        assert mail["Auto-Submitted"] == "auto-generated"
        return f"{mail['Subject']}\n{mail.get_content()}"

    def take_link(self, to: str) -> str:
        """Return the only link in the only mail that has arrived."""
        (link,) = re.findall(r"https?://\S+", self.take(to))
        return str(link)


def start(mailbox: Mailbox) -> Controller:
    """Start the server; stop what this returns."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        mailbox.port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    return controller


def use(mailbox: Mailbox, settings: Settings, **options: Any) -> None:
    """Let the test project send its mails there, as visualsnoop-server would."""
    found = get_mail_settings(
        get_mailer({"VISUALSNOOP_EMAIL_URL": mailbox.url}),
        has_mailers=django.VERSION >= (6, 1),
        sender="images@example.com",
    )
    for name, value in found.items():
        setattr(settings, name, value)
    settings.VISUALSNOOP_SERVER = {"MAIL": True, "OWN_ACCOUNTS": True, **options}
