"""Limit admin requests of users who are not signed in to short forms without delay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

from django_visualsnoop.server.pages.rendering import limit_forms

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


def limit_admin_forms(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Return the middleware; it comes after those that determine the user."""
    limited = limit_forms(get_response)

    def respond(request: HttpRequest) -> HttpResponseBase:
        is_anyone = request.path.startswith(reverse("admin:index")) and not (
            request.user.is_authenticated
        )
        return limited(request) if is_anyone else get_response(request)

    return respond
