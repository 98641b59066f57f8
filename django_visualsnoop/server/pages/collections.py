"""Pages of collections: the list of visible collections, and the settings of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.forms import ModelChoiceField
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.server.content.deletion import delete_collection
from django_visualsnoop.server.content.pictures import delete_unwanted
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import database
from django_visualsnoop.server.pages.forms import CollectionForm, NewCollectionForm
from django_visualsnoop.server.pages.rendering import (
    get_managed_or_404,
    page,
    render_collection_page,
    render_page,
)
from django_visualsnoop.server.tenants.keys import make_collection
from django_visualsnoop.server.tenants.tenancy import get_invitations, get_visible_collections
from django_visualsnoop.server.tenants.usage import get_usages
from django_visualsnoop.server.transactions import lock_collection, write_atomically

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from django_visualsnoop.server.models import HostedCollection

_NAMESPACE = "visualsnoop_server"


@page
@require_http_methods(["GET", "HEAD"])
def collections(request: HttpRequest) -> HttpResponse:
    """Show the collections that the user may see."""
    found = list(
        get_visible_collections(request.user)
        .select_related("owner", "organisation")
        .order_by("name")
    )
    used = get_usages(found)
    rows = [(hosted, used[hosted.pk]) for hosted in found]
    # The server may send no mail, so the page shows invitations after sign-in.
    context = {"rows": rows, "is_invited": get_invitations(request.user).exists()}
    return render_page(request, "collections.html", context)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Create a collection."""
    form = NewCollectionForm(request.user, request.POST or None)
    if not form.is_valid():
        status = 400 if request.method == "POST" else 200
        return render_page(request, "new_collection.html", {"form": form}, status)
    given = form.cleaned_data

    def work() -> HostedCollection:
        _lock_organisation(form)
        made = make_collection(request.user, given["name"])
        made.retention = given["retention"]
        made.organisation = given.get("organisation")
        made.save(using=database())
        return made

    hosted = write_atomically(work)
    messages.success(
        request,
        _("The collection was created. Add pictures here, or create a key for a program."),
        fail_silently=True,
    )
    return redirect(f"{_NAMESPACE}:images", hosted.pk)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Change the name, retention and sharing of a collection."""
    hosted = get_managed_or_404(request, collection_id)
    form = CollectionForm(request.user, request.POST or None, instance=hosted)
    if not form.is_valid():
        hosted.refresh_from_db()  # the page's heading shows the stored name, not the typed one
        status = 400 if request.method == "POST" else 200
        return render_collection_page(request, hosted, "settings", {"form": form}, status)

    def work() -> int:
        lock_collection(collection_id, alone=True)
        get_managed_or_404(request, collection_id)
        _lock_organisation(form)
        # Save no other fields: an administrator may change limits meanwhile, for example.
        hosted.save(using=database(), update_fields=[*form.fields])
        return delete_unwanted(hosted)

    dropped = write_atomically(work)
    text = _("Saved.")
    if dropped:
        text = _("Saved. Pictures that are no longer retained were deleted.")
    messages.success(request, text, fail_silently=True)
    return redirect(f"{_NAMESPACE}:settings", hosted.pk)


def _lock_organisation(form: CollectionForm) -> None:
    """Lock the chosen organisation until this transaction ends.

    Raises:
        Refused: 409, it was deleted, or the user left it, while the form was filled in.
    """
    chosen = form.cleaned_data.get("organisation")
    if chosen is None:
        return
    choice = form.fields["organisation"]
    assert isinstance(choice, ModelChoiceField)
    assert choice.queryset is not None
    if not lock_rows(choice.queryset.filter(pk=chosen.pk)):
        raise Refused(
            409, _("The organisation no longer exists. Nothing was changed. Choose again.")
        )


@page
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Delete a collection after the user has typed its name."""
    hosted = get_managed_or_404(request, collection_id)
    error = ""
    if request.method == "POST":
        typed = request.POST.get("name", "").strip()
        if typed == hosted.name.strip():
            name = hosted.name
            delete_collection(hosted)
            messages.success(
                request, _("%(name)s was deleted.") % {"name": name}, fail_silently=True
            )
            return redirect(f"{_NAMESPACE}:collections")
        error = _("You typed “%(typed)s”, but the name is “%(name)s”. Nothing was deleted.") % {
            "typed": typed,
            "name": hosted.name,
        }
    return render_collection_page(
        request, hosted, "delete_collection", {"error": error}, 400 if error else 200
    )
