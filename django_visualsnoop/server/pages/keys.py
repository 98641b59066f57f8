"""Pages of keys: list them, make one and show it once, revoke one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from django_visualsnoop.server.models import Key, database
from django_visualsnoop.server.pages.forms import KeyForm
from django_visualsnoop.server.pages.rendering import (
    get_managed_or_404,
    page,
    render_collection_page,
)
from django_visualsnoop.server.pages.snippets import get_endpoint, make_snippets
from django_visualsnoop.server.tenants.keys import (
    MAX_LIVE_KEYS,
    SCOPES,
    NoSuchCollection,
    NoSuchKey,
    TooManyKeys,
    get_live_keys,
    make_key,
    revoke_key,
)

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from django_visualsnoop.server.models import HostedCollection

#: How pages name what a key allows.
_SCOPE_NAMES = {
    "read": pgettext_lazy("what a key allows", "read"),
    "search": pgettext_lazy("what a key allows", "search"),
    "write": pgettext_lazy("what a key allows", "write"),
}
#: What stands for the secret in examples, because the page shows a secret only once.
_PLACEHOLDER = "SECRET_KEY"


@page
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show the keys of a collection, and make a key."""
    hosted = get_managed_or_404(request, collection_id)
    form = KeyForm(request.POST or None)
    if not form.is_valid():
        return _render_keys(request, hosted, form, 400 if request.method == "POST" else 200)
    return _make_key(request, hosted, form.cleaned_data["scopes"], form.expires_at)


@page
@require_POST
def rotate(request: HttpRequest, collection_id: str, public_key: str) -> HttpResponse:
    """Make a key with the permissions of another key, which stays valid until it is revoked."""
    hosted = get_managed_or_404(request, collection_id)
    key = _get_key_or_404(hosted, public_key)
    lifetime = None if key.expires_at is None else key.expires_at - key.created
    return _make_key(
        request,
        hosted,
        _get_scopes(key),
        None if lifetime is None else timezone.now() + lifetime,
        replaced=key,
        allow_v1=key.allow_v1,
    )


@page
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, collection_id: str, public_key: str) -> HttpResponse:
    """Revoke a key after confirmation."""
    hosted = get_managed_or_404(request, collection_id)
    key = _get_key_or_404(hosted, public_key)
    if request.method != "POST":
        return render_collection_page(request, hosted, "revoke", {"key": key})
    try:
        revoke_key(key.public_key)
    except NoSuchKey:  # another page revoked it first
        raise Http404 from None
    text = _("The key %(key)s was revoked. The server refuses all further requests with it.")
    messages.success(request, text % {"key": key.public_key}, fail_silently=True)
    return redirect("visualsnoop_server:keys", hosted.pk)


@sensitive_variables()
def _make_key(
    request: HttpRequest,
    hosted: HostedCollection,
    scopes: list[str],
    expires_at: datetime | None,
    *,
    replaced: Key | None = None,
    allow_v1: bool = True,
) -> HttpResponse:
    # The browser's "reload" sends the form again; this must not make a second key.
    if request.POST.get("seen") != _get_seen(hosted):
        text = _("The keys have changed since you opened the page. No key was created. Try again.")
        return _render_keys(request, hosted, KeyForm(), 409, text)
    try:
        new = make_key(hosted.pk, scopes=scopes, expires_at=expires_at, allow_v1=allow_v1)
    except NoSuchCollection:  # it was deleted meanwhile
        raise Http404 from None
    except TooManyKeys:
        text = _("The collection already has two active keys. Revoke one of them first.")
        return _render_keys(request, hosted, KeyForm(), 409, text)
    endpoint = get_endpoint(request)
    # Only this response contains the secret; no session, message, cache or log does.
    context = {
        "new": new,
        "scopes": _name_scopes(new.key),
        "replaced": replaced,
        "endpoint": endpoint,
        "snippets": make_snippets(endpoint, get_endpoint(request, "api_v2"), new.key, new.secret),
    }
    return render_collection_page(request, hosted, "new_key", context)


def _render_keys(
    request: HttpRequest, hosted: HostedCollection, form: KeyForm, status: int, error: str = ""
) -> HttpResponse:
    live = list(get_live_keys(hosted.pk))
    over = Key.objects.using(database()).filter(collection=hosted)
    over = over.exclude(pk__in=[key.pk for key in live]).order_by("-created", "-pk")
    context: dict[str, Any] = {
        "form": form,
        "error": error,
        "seen": _get_seen(hosted),
        "live": [(key, _name_scopes(key)) for key in live],
        "over": over[:50],
        "full": len(live) >= MAX_LIVE_KEYS,
        "endpoint": get_endpoint(request),
    }
    if live:
        endpoints = get_endpoint(request), get_endpoint(request, "api_v2")
        context["snippets"] = make_snippets(*endpoints, live[0], _PLACEHOLDER)
    return render_collection_page(request, hosted, "keys", context, status)


def _get_seen(hosted: HostedCollection) -> str:
    return ",".join(get_live_keys(hosted.pk).values_list("public_key", flat=True))


def _get_scopes(key: Key) -> list[str]:
    return [scope for scope in SCOPES if getattr(key, f"may_{scope}")]


def _name_scopes(key: Key) -> list[str]:
    return [str(_SCOPE_NAMES[scope]) for scope in _get_scopes(key)]


def _get_key_or_404(hosted: HostedCollection, public_key: str) -> Key:
    found: Key = get_object_or_404(get_live_keys(hosted.pk), public_key=public_key)
    return found
