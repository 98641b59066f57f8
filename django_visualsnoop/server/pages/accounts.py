"""Signing in and out, and passwords: Django's views with our design."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth import get_user_model, views
from django.contrib.auth.forms import AuthenticationForm, PasswordResetForm
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse, reverse_lazy
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.models import database
from django_visualsnoop.server.pages.mail import count_mail, require_mail, send_mail
from django_visualsnoop.server.pages.rendering import for_anyone, page, render_page
from django_visualsnoop.server.tenants.tenancy import get_address

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": _(
            "The name or the password is wrong. Check both, including upper and lower case."
        ),
        "inactive": _("This account is not active. Ask the administrator of this server."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["username"].label = _("E-mail address or user name")

    def clean_username(self) -> str:
        """Return the name as the account has it: registering stores addresses in lower case."""
        typed: str = self.cleaned_data["username"]
        model = get_user_model()
        names = model._default_manager.using(database()).filter(
            **{f"{model.USERNAME_FIELD}__in": [typed, typed.lower()]}
        )
        found = {user.get_username() for user in names}
        return typed.lower() if found == {typed.lower()} else typed


class SignIn(views.LoginView):
    template_name = "visualsnoop_server/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        return reverse("visualsnoop_server:collections")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        options = get_options()
        may_register = options.mail and options.registration == "open"
        return super().get_context_data(has_mail=options.mail, may_register=may_register, **kwargs)


class ChangePassword(views.PasswordChangeView):
    template_name = "visualsnoop_server/password.html"
    success_url = reverse_lazy("visualsnoop_server:password_changed")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "label_suffix": ""}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(account=self.request.user, **kwargs)


class PasswordChanged(views.PasswordChangeDoneView):
    template_name = "visualsnoop_server/password_changed.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(account=self.request.user, **kwargs)


class ResetForm(PasswordResetForm):
    """Send one mail to the address, whether an account has it or not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["email"].label = _("E-mail address")

    def save(self, *, request: HttpRequest, **_options: Any) -> None:  # type: ignore[override]
        email = self.cleaned_data["email"]
        count_mail(request, email)
        users = list(self.get_users(email))
        context = {
            "links": [(user.get_username(), _make_link(request, user)) for user in users],
            "is_open": get_options().registration == "open",
            "register": request.build_absolute_uri(reverse("visualsnoop_server:register")),
        }
        # An address as typed may only look the same as that of the account.
        recipient = get_address(users[0]) if users else email
        send_mail(request, "reset", recipient, context)


def _make_link(request: HttpRequest, user: Any) -> str:
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    path = reverse("visualsnoop_server:new_password", args=[uid, token])
    return request.build_absolute_uri(path)


class ResetPassword(views.PasswordResetView):
    template_name = "visualsnoop_server/reset.html"
    form_class = ResetForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        require_mail()
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: ResetForm) -> HttpResponse:  # type: ignore[override]
        form.save(request=self.request)
        return render_page(self.request, "mail_sent.html", {"email": form.cleaned_data["email"]})


class NewPassword(views.PasswordResetConfirmView):
    template_name = "visualsnoop_server/new_password.html"
    success_url = reverse_lazy("visualsnoop_server:sign_in")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "label_suffix": ""}

    def form_valid(self, form: Any) -> HttpResponse:
        text = _("The password was changed. You are signed out on all devices.")
        messages.success(self.request, text, fail_silently=True)
        return super().form_valid(form)


sign_in = for_anyone(SignIn.as_view())
sign_out = for_anyone(
    views.LogoutView.as_view(next_page=reverse_lazy("visualsnoop_server:sign_in"))
)
password = page(ChangePassword.as_view())
password_changed = page(PasswordChanged.as_view())
reset = for_anyone(ResetPassword.as_view())
new_password = for_anyone(NewPassword.as_view())
