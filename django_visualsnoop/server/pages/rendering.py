"""The common part of all pages: access, request limits and responses."""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.contrib.messages import get_messages
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import OperationalError
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import get_object_or_404, render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from django_visualsnoop.common.non_atomic import without_atomic_requests
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http.errors import refuse_without_index
from django_visualsnoop.server.http.headers import HEADERS
from django_visualsnoop.server.http.request_body import drain_body, limit_reading
from django_visualsnoop.server.tenants.tenancy import get_visible_collections, may_manage
from django_visualsnoop.server.transactions import RETRY_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from django_visualsnoop.server.models import HostedCollection

    View = Callable[..., HttpResponseBase]

#: The number of files of the maximum size that one form may send.
FILES_AT_ONCE = 10
#: The size of a form's other fields, in bytes.
_FORM_BYTES = 1024 * 1024

#: The limits of size and time for forms of users who are not signed in.
_ANYONES_BYTES = 64 * 1024
_ANYONES_SECONDS = 5.0
#: The time limit for forms of signed-in users: a fixed time, plus the time that such a slow network
#: needs.
_SECONDS = 60.0
_BYTES_PER_SECOND = 16 * 1024


def secured(view: View) -> View:
    """Set the headers of a view's responses: no cache, no frames, only our own scripts.

    If another writer held a lock for too long, the response is 503.
    """

    @wraps(view)
    def respond(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except OperationalError as error:
            if not is_lock_error(error):
                raise
            response = render_busy(request)
        except Http404 as error:
            return not_found(request, error)
        except Refused as error:
            response = _render_refused(request, error)
        except IndexUnavailable as error:
            response = _render_refused(request, refuse_without_index(error))
        except (TooManyFilesSent, TooManyFieldsSent, RequestDataTooBig):
            drain_body(request)
            response = _render_too_much(request)
        except MultiPartParserError:
            drain_body(request)
            text = _("Nothing was changed. Go back, reload the page and try again.")
            response = render_problem(request, 400, _("The server cannot read the form"), text)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if "Cache-Control" not in response.headers:
            add_never_cache_headers(response)
        patch_vary_headers(response, ["Cookie"])
        return response

    # With ATOMIC_REQUESTS, a page would read before it writes, in Django's transaction; each page
    # opens its own transaction where it writes. See ``transactions``.
    return without_atomic_requests(respond)


def page(view: View) -> View:
    """Restrict a page to signed-in users.

    The same page reports that an object does not exist and that it belongs to somebody else. The
    CSRF check follows, because it has to read the whole body.
    """
    protected = csrf_protect(view)

    @wraps(view)
    def respond(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            drain_body(request)
            sign_in = reverse("visualsnoop_server:sign_in")
            # The posted data is lost, so link to a page that the user can see.
            wanted = request.get_full_path() if request.method == "GET" else ""
            return redirect_to_login(wanted or reverse("visualsnoop_server:collections"), sign_in)
        too_long = _refuse_long(request)
        if too_long is not None:
            return too_long
        try:
            with limit_reading(request, _SECONDS + _get_length(request) / _BYTES_PER_SECOND):
                return protected(request, *args, **kwargs)
        except PermissionDenied as error:
            return render_problem(request, 403, _("You are not allowed to do this"), str(error))

    return secured(csrf_exempt(login_not_required(respond)))


def for_anyone(view: View) -> View:
    """Make a page available to users who are not signed in.

    The CSRF check runs once the form is known to be short, because it reads the whole body.
    """
    return secured(csrf_exempt(login_not_required(limit_forms(csrf_protect(view)))))


def limit_forms(view: View) -> View:
    """Limit a view to short forms that arrive without delay; a middleware uses this too."""

    @wraps(view)
    def respond(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if _get_length(request) > _ANYONES_BYTES:
            drain_body(request)
            text = _("This form does not accept files. Nothing was changed.")
            return render_problem(request, 413, _("You sent too much at once"), text)
        with limit_reading(request, _ANYONES_SECONDS):
            return view(request, *args, **kwargs)

    return respond


def get_largest_form() -> int:
    """Return the maximum size of a form with files, in bytes."""
    return FILES_AT_ONCE * get_options().max_bytes + _FORM_BYTES


def _refuse_long(request: HttpRequest) -> HttpResponse | None:
    if _get_length(request) <= get_largest_form():
        return None
    drain_body(request)
    return _render_too_much(request)


def _render_too_much(request: HttpRequest) -> HttpResponse:
    largest = get_options().max_bytes
    most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
    sizes = {
        "all": filesizeformat(FILES_AT_ONCE * largest),
        "each": filesizeformat(largest),
        "count": most,
    }
    text = _("Send at most %(all)s together, and at most %(each)s in one file.") % sizes
    if most is not None:
        text += " " + _("Send at most %(count)d files.") % sizes
    text += " " + _("Nothing was changed.")
    return render_problem(request, 413, _("You sent too much at once"), text)


def _get_length(request: HttpRequest) -> int:
    """Return the declared length of a body; ``sys.maxsize`` if it is not a number."""
    text = request.META.get("CONTENT_LENGTH") or "0"
    is_number = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if is_number else sys.maxsize


def render_page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Return a page.

    Args:
        request: the request; the page shows its user's account.
        template: the name of a template of the pages.
        context: the template's additional context.
        status: the HTTP status.
    """
    if "form" in context:
        context["form"].label_suffix = ""
    signed_in = request.user if request.user.is_authenticated else None
    everywhere = {"account": signed_in, "messages": get_messages(request)}
    return render(
        request, f"visualsnoop_server/{template}", {**everywhere, **context}, status=status
    )


def render_problem(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    """Return a page that explains an error."""
    return render_page(request, "problem.html", {"title": title, "text": text}, status)


@secured
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """Return the page for error 404; a project may use it as its ``handler404``."""
    text = _("It does not exist, or you are not allowed to see it.")
    return render_problem(request, 404, _("Page not found"), text)


@secured
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    """Return the page for forms from other sites; usable as ``CSRF_FAILURE_VIEW``."""
    text = _("Nothing was changed. Go back, reload the page and try again.")
    return render_problem(request, 403, _("The form has expired"), text)


def _render_refused(request: HttpRequest, error: Refused) -> HttpResponseBase:
    if error.status == 404:
        return not_found(request, error)
    title = _("This link is not valid") if error.status == 410 else _("The action failed")
    response = render_problem(request, error.status, title, error.message)
    for name, value in error.headers.items():
        response.headers[name] = value
    return response


def render_busy(request: HttpRequest) -> HttpResponse:
    """Return the page for a database that others keep busy."""
    text = _("Others are writing to the database. Nothing was changed. Try again in a moment.")
    response = render_problem(request, 503, _("The server is busy"), text)
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def make_access_check(request: HttpRequest, hosted: HostedCollection) -> Callable[[], None]:
    """Return a function that raises ``Http404`` if the user may no longer see a collection."""

    def check() -> None:
        if not get_visible_collections(request.user).filter(pk=hosted.pk).exists():
            raise Http404

    return check


def link_to_removed(hosted: HostedCollection, text: str) -> str:
    """Return a link to what reviews have deleted; empty if nothing can be restored."""
    if not get_options().undo_days:
        return ""
    return format_html(
        '<a href="{}">{}</a>', reverse("visualsnoop_server:removed", args=[hosted.pk]), text
    )


def get_collection_or_404(request: HttpRequest, collection_id: str) -> HostedCollection:
    """Return a collection that the user may see.

    Raises:
        Http404: the collection does not exist, or it belongs to somebody else.
    """
    rows = get_visible_collections(request.user).select_related("owner", "organisation")
    found: HostedCollection = get_object_or_404(rows, pk=collection_id)
    return found


def get_managed_or_404(request: HttpRequest, collection_id: str) -> HostedCollection:
    """Return a collection whose keys and settings the user may change.

    Raises:
        Http404: the collection does not exist, or it belongs to somebody else.
        PermissionDenied: the user may only use it.
    """
    hosted = get_collection_or_404(request, collection_id)
    if not may_manage(request.user, hosted):
        raise PermissionDenied(
            _("Only the owner of the collection and the owners of its organisation can do this.")
        )
    return hosted


def render_collection_page(
    request: HttpRequest,
    hosted: HostedCollection,
    tab: str,
    context: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    """Return one of a collection's pages.

    Args:
        request: the request.
        hosted: the collection.
        tab: the name of the page's template, without ``.html``.
        context: the template's additional context.
        status: the HTTP status.
    """
    about = {"hosted": hosted, "tab": tab, "may_manage": may_manage(request.user, hosted)}
    return render_page(request, f"{tab}.html", {**about, **context}, status)
