"""Creating an account: by a link in a mail, which confirms the address.

The pages answer the same, after the same work, whether an address has an account or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.contrib.auth.forms import SetPasswordForm
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.pages.forms import AddressForm
from django_visualsnoop.server.pages.mail import (
    count_mail,
    forget_followed,
    make_link,
    read_followed,
    refuse_link,
    require_mail,
    send_mail,
)
from django_visualsnoop.server.pages.rendering import for_anyone, render_page
from django_visualsnoop.server.tenants.accounts import (
    AddressTaken,
    NoAccount,
    has_account,
    make_user,
    register,
)
from django_visualsnoop.server.tenants.tenancy import get_invitation

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@for_anyone
@require_http_methods(["GET", "HEAD", "POST"])
def ask_to_register(request: HttpRequest) -> HttpResponse:
    """Ask for the address of a new account, and send a mail to it."""
    require_mail()
    if get_options().registration != "open":
        raise Http404
    if request.user.is_authenticated:
        return redirect("visualsnoop_server:collections")
    form = AddressForm(request.POST or None)
    if not form.is_valid():
        status = 400 if request.method == "POST" else 200
        return render_page(request, "register.html", {"form": form}, status)
    email = form.cleaned_data["email"]
    count_mail(request, email)
    context = {
        "is_known": has_account(email),
        "link": make_link(request, "register", {"email": email}),
        "sign_in": request.build_absolute_uri(reverse("visualsnoop_server:sign_in")),
    }
    send_mail(request, "register", email, context)
    return render_page(request, "mail_sent.html", {"email": email})


@for_anyone
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def registered(request: HttpRequest) -> HttpResponse:
    """Let a user who has followed the link choose a password, and create the account."""
    if get_options().registration != "open":
        raise Http404
    email = read_followed(request, "register")["email"]
    return _register(request, "register", email, "visualsnoop_server:collections")


@for_anyone
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Lead an invited user to the invitation: by signing in, or with a new account."""
    data = read_followed(request, "invitation")
    found = get_invitation(data["pk"], data["email"])
    if found is None:
        raise refuse_link()
    if request.user.is_authenticated or has_account(found.email):
        forget_followed(request, "invitation")
        return redirect("visualsnoop_server:organisations")
    if get_options().registration == "off":
        raise Refused(
            403,
            _(
                "No account has the address %(email)s. Ask the administrator of this server for "
                "one. The invitation stays open."
            )
            % {"email": found.email},
        )
    return _register(
        request, "invitation", found.email, "visualsnoop_server:organisations", found.organisation
    )


@sensitive_variables()
def _register(
    request: HttpRequest, purpose: str, email: str, after: str, organisation: Any = None
) -> HttpResponse:
    """Show the form for a password; create the account and sign in.

    Args:
        request: the request of a user who has followed the link.
        purpose: the purpose of the link.
        email: the confirmed address.
        after: the name of the page that follows.
        organisation: the organisation that has invited the address, if any.
    """
    form = SetPasswordForm(make_user(email), request.POST or None)
    if not form.is_valid():
        context = {"form": form, "email": email, "organisation": organisation}
        status = 400 if request.method == "POST" else 200
        return render_page(request, "registered.html", context, status)
    password = form.cleaned_data["new_password1"]
    try:
        made = register(email, password)
    except AddressTaken:
        forget_followed(request, purpose)
        raise refuse_link() from None
    except NoAccount as error:
        raise Refused(409, str(error)) from None
    forget_followed(request, purpose)
    user = authenticate(request, username=made.get_username(), password=password)
    if user is None:  # the project checks more than the password
        return redirect("visualsnoop_server:sign_in")
    login(request, user)
    messages.success(request, _("Your account was created."), fail_silently=True)
    return redirect(after)
