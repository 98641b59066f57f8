"""Searching a collection by a picture, or by an image that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.views.decorators.http import require_http_methods

from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.pages.cards import Card, cards
from django_visualsnoop.server.pages.forms import PictureForm
from django_visualsnoop.server.pages.rendering import hosted_or_404, of_collection, page
from django_visualsnoop.server.pages.uploads import content_of
from django_visualsnoop.server.tenants.usage import usage

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from django_visualsnoop.engine.gallery import Hits
    from django_visualsnoop.server.models import HostedCollection

#: Images that a search shows at most.
MAX_SHOWN = 60


@page
@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show what in a collection looks like an uploaded picture."""
    hosted = hosted_or_404(request, collection_id)
    context: dict[str, Any] = {"usage": usage(hosted), "form": PictureForm()}
    status = 200
    if request.method == "POST":
        form = context["form"] = PictureForm(request.POST, request.FILES)
        status = 400
        if form.is_valid():
            upload = form.cleaned_data["picture"]
            try:
                hits = HostedImages(hosted).gallery.search(content_of(upload), limit=MAX_SHOWN)
            except DecodeError as error:
                form.add_error("picture", str(error))
            else:
                status = 200
                context |= {"results": found(hosted, hits), "searched": upload.name}
        if status != 200:
            context["error"] = " ".join(map(str, form.errors.get("picture", [])))
    return of_collection(request, hosted, "search", context, status)


def found(hosted: HostedCollection, hits: Hits) -> list[Card]:
    """Return what a search found, closest first."""
    return cards(hosted, {hit.image_id: {"similarity": hit.similarity} for hit in hits.hits})
