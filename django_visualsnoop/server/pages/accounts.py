"""Signing in and out, and changing one's password: Django's views, in our look."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.server.pages.rendering import for_anyone, page


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


class SignIn(views.LoginView):
    template_name = "visualsnoop_server/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        return reverse("visualsnoop_server:collections")


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


sign_in = for_anyone(SignIn.as_view())
sign_out = for_anyone(
    views.LogoutView.as_view(next_page=reverse_lazy("visualsnoop_server:sign_in"))
)
password = page(ChangePassword.as_view())
password_changed = page(PasswordChanged.as_view())
