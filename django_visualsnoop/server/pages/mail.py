"""Sending mails, and the links in them."""

from __future__ import annotations

import logging
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from django.core.mail import EmailMessage
from django.http import Http404
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.pages.rendering import for_anyone
from django_visualsnoop.server.tenants.signed_links import BadLink, read_link, sign_link
from django_visualsnoop.server.tenants.throttling import throttle_mail

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

logger = logging.getLogger("django_visualsnoop.server")

#: The purpose of a link → the page that reads it.
_PAGES = {
    "register": "registered",
    "address": "confirm_address",
    "invitation": "invitation",
}


def require_mail() -> None:
    """Check that the server sends mails.

    Raises:
        Http404: it does not.
    """
    if not get_options().mail:
        raise Http404


def count_mail(request: HttpRequest, recipient: str) -> None:
    """Count a mail against the limits.

    Raises:
        Refused: 429, the recipient, the account or the address of the request caused too many.
    """
    user = request.user
    sender = f"account {user.pk}" if user.is_authenticated else f"address {_get_network(request)}"
    throttle_mail(recipient, sender)


@sensitive_variables("context", "text", "body")
def send_mail(request: HttpRequest, template: str, recipient: str, context: dict[str, Any]) -> None:
    """Send a mail.

    Args:
        request: the request, whose host the mail names.
        template: the name of a text; its first line is the subject.
        recipient: the e-mail address.
        context: the context of the template.

    Raises:
        Refused: 503, the mail server did not accept the mail.
    """
    about = {"host": request.get_host(), "recipient": recipient}
    text = render_to_string(f"visualsnoop_server/mail/{template}.txt", {**about, **context})
    subject, _separator, body = text.strip().partition("\n")
    headers = {"Auto-Submitted": "auto-generated"}
    try:
        EmailMessage(subject, body.strip() + "\n", None, [recipient], headers=headers).send()
    except OSError:  # those of smtplib, too
        logger.exception("Could not send the mail %r", template)
        raise Refused(
            503,
            _("The server cannot send mails now. Try again later, or ask its administrator."),
        ) from None


def make_link(request: HttpRequest, purpose: str, data: dict[str, Any]) -> str:
    """Return the URL for a mail; ``read_followed`` returns ``data`` to the page of the purpose."""
    path = reverse("visualsnoop_server:follow", args=[purpose, sign_link(purpose, data)])
    return request.build_absolute_uri(path)


@for_anyone
@require_safe
def follow(request: HttpRequest, purpose: str, text: str) -> HttpResponse:
    """Keep the link of a mail in the session, and go on to its page.

    So no log and no other site learns the link from the address of the page.
    """
    if purpose not in _PAGES:
        raise Http404
    request.session[_get_name(purpose)] = text
    return redirect(f"visualsnoop_server:{_PAGES[purpose]}")


def read_followed(request: HttpRequest, purpose: str) -> dict[str, Any]:
    """Return the data of the link that a user has followed.

    Raises:
        Refused: 410, the link is not valid.
    """
    try:
        return read_link(purpose, request.session.get(_get_name(purpose), ""))
    except BadLink:
        raise refuse_link() from None


def forget_followed(request: HttpRequest, purpose: str) -> None:
    """Remove a link that was used from the session."""
    request.session.pop(_get_name(purpose), None)


def refuse_link() -> Refused:
    """Return the error for a link that is not valid, or no longer."""
    return Refused(
        410,
        _(
            "It was used, is too old or incomplete, or something has changed since it was sent. "
            "Ask for a new one."
        ),
    )


def _get_name(purpose: str) -> str:
    return f"visualsnoop_link_{purpose}"


def _get_network(request: HttpRequest) -> str:
    """Return the address of a request; of IPv6, the part that one customer usually has."""
    address: str = request.META.get("REMOTE_ADDR") or ""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ip_network((parsed, 64), strict=False))
