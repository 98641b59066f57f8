"""What is answered to who tried too many passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext as _

from django_visualsnoop.server.pages.rendering import render_problem, secured

if TYPE_CHECKING:
    from datetime import timedelta

    from django.http import HttpRequest, HttpResponse


@secured
def render_locked_out(request: HttpRequest, *_others: object) -> HttpResponse:
    """Return the page that says how long to wait; the ``AXES_LOCKOUT_CALLABLE``."""
    wait: timedelta = settings.AXES_COOLOFF_TIME  # type: ignore[misc]  # this project's alone
    text = _(
        "Someone entered too many wrong passwords for this account. Try again in %(minutes)d "
        "minutes, or ask the administrator of this server."
    )
    title = _("You cannot sign in now")
    response = render_problem(request, 429, title, text % {"minutes": wait.total_seconds() // 60})
    response.headers["Retry-After"] = str(int(wait.total_seconds()))
    return response
