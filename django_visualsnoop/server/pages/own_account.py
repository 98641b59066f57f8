"""A user's own account: its address, its sessions, and deleting it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth import get_user_model, logout
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content.account_deletion import (
    CannotDelete,
    delete_account,
    plan_deletion,
)
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import database
from django_visualsnoop.server.pages.devices import name_device
from django_visualsnoop.server.pages.forms import NewAddressForm, PasswordForm
from django_visualsnoop.server.pages.mail import (
    count_mail,
    forget_followed,
    make_link,
    read_followed,
    refuse_link,
    require_mail,
    send_mail,
)
from django_visualsnoop.server.pages.rendering import for_anyone, page, render_page
from django_visualsnoop.server.tenants.accounts import AddressTaken, change_address, has_account
from django_visualsnoop.server.tenants.sessions import are_listed, end_sessions, list_sessions
from django_visualsnoop.server.tenants.signed_links import get_state, is_same_state
from django_visualsnoop.server.tenants.tenancy import get_account_id, get_address
from django_visualsnoop.server.tenants.usage import get_usages

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@page
@require_http_methods(["GET", "HEAD"])
def account(request: HttpRequest) -> HttpResponse:
    """Show the account, with links to what the user can change."""
    options = get_options()
    context = {
        "email": get_address(request.user),
        "may_change_address": options.own_accounts and options.mail,
        "may_delete": options.own_accounts,
        "has_sessions": are_listed(),
    }
    return render_page(request, "account.html", context)


@page
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def address(request: HttpRequest) -> HttpResponse:
    """Ask for a new address, and send a mail to it that confirms it.

    The page answers the same whether another account has the address or not.
    """
    _require_own_accounts()
    require_mail()
    form = NewAddressForm(request, request.POST or None)
    if not form.is_valid():
        status = 400 if request.method == "POST" else 200
        context = {"form": form, "email": get_address(request.user)}
        return render_page(request, "address.html", context, status)
    email = form.cleaned_data["email"]
    count_mail(request, email)
    user = request.user
    data = {"pk": get_account_id(user), "email": email, "state": get_state(user)}
    context = {
        "is_known": has_account(email),
        "name": user.get_username(),
        "link": make_link(request, "address", data),
    }
    send_mail(request, "address", email, context)
    return render_page(request, "mail_sent.html", {"email": email})


@for_anyone
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_address(request: HttpRequest) -> HttpResponse:
    """Change the address after the user has followed the link, and tell the old address."""
    _require_own_accounts()
    data = read_followed(request, "address")
    users = get_user_model()._default_manager.using(database())
    user = users.filter(pk=data["pk"], is_active=True).first()
    if user is None or not is_same_state(user, data["state"]):
        raise refuse_link()
    old, new = get_address(user), data["email"]
    if request.method != "POST":
        return render_page(request, "confirm_address.html", {"old": old, "new": new})
    try:
        change_address(user, new)
    except AddressTaken:
        raise refuse_link() from None
    forget_followed(request, "address")
    if old:
        with suppress(Refused):  # the old mailbox may be gone, and the address has changed
            send_mail(request, "address_changed", old, {"name": user.get_username(), "new": new})
    messages.success(request, _("The address was changed."), fail_silently=True)
    return redirect("visualsnoop_server:account")


@page
@require_http_methods(["GET", "HEAD"])
def sessions(request: HttpRequest) -> HttpResponse:
    """Show where the user is signed in."""
    _require_sessions()
    found = list_sessions(request.user, request.session.session_key)
    context = {"sessions": [(one, name_device(one.agent)) for one in found]}
    return render_page(request, "sessions.html", context)


@page
@require_POST
def end_session(request: HttpRequest) -> HttpResponse:
    """Sign out in one other place, or in all of them."""
    _require_sessions()
    only = request.POST.get("session") or None
    ended = end_sessions(request.user, only=only, but=request.session.session_key)
    text = ngettext("Signed out in %(count)d place.", "Signed out in %(count)d places.", ended)
    messages.success(request, text % {"count": ended}, fail_silently=True)
    return redirect("visualsnoop_server:sessions")


@page
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """Say what deleting the account deletes and leaves, and delete it after confirmation."""
    _require_own_accounts()
    form = PasswordForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            delete_account(request.user)
        except CannotDelete:
            pass  # the page says why
        else:
            logout(request)
            text = _("Your account was deleted.")
            messages.success(request, text, fail_silently=True)
            return redirect("visualsnoop_server:sign_in")
    plan = plan_deletion(request.user)
    used = get_usages(plan.collections)
    context = {
        "plan": plan,
        "rows": [(hosted, used[hosted.pk]) for hosted in plan.collections],
        "form": form,
    }
    status = 400 if request.method == "POST" else 200
    return render_page(request, "delete_account.html", context, status)


def _require_own_accounts() -> None:
    if not get_options().own_accounts:
        raise Http404


def _require_sessions() -> None:
    if not are_listed():
        raise Http404
