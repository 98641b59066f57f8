"""Pages that search a collection by a picture, or by one of its images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.views.decorators.http import require_http_methods

from django_visualsnoop.common.reasons import translate_reason
from django_visualsnoop.common.relation_texts import (
    RELATION,
    build_options,
    describe_relation,
)
from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.pages.cards import Card, make_cards, percent
from django_visualsnoop.server.pages.forms import PictureForm
from django_visualsnoop.server.pages.rendering import (
    get_collection_or_404,
    page,
    render_collection_page,
)
from django_visualsnoop.server.pages.uploads import read_upload
from django_visualsnoop.server.tenants.usage import get_usage

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from django_visualsnoop.engine.hits import Hits
    from django_visualsnoop.server.models import HostedCollection

#: The maximum number of images in a search result.
MAX_SHOWN = 60


@page
@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show the images of a collection that look like an uploaded picture."""
    hosted = get_collection_or_404(request, collection_id)
    context: dict[str, Any] = {
        "usage": get_usage(hosted),
        "form": PictureForm(initial={RELATION: request.GET.get(RELATION)}),
    }
    status = 200
    if request.method == "POST":
        form = context["form"] = PictureForm(request.POST, request.FILES)
        status = 400
        if form.is_valid():
            upload, relation = form.cleaned_data["picture"], form.cleaned_data[RELATION]
            options = build_options([relation] if relation else [], MAX_SHOWN)
            try:
                hits = HostedImages(hosted).search(read_upload(upload), options)
            except DecodeError as error:
                form.add_error("picture", translate_reason(error.reason, str(error)))
            else:
                status = 200
                context |= {"results": make_result_cards(hosted, hits), "searched": upload.name}
        if status != 200:
            told = [str(error) for errors in form.errors.values() for error in errors]
            context["error"] = " ".join(told)
    return render_collection_page(request, hosted, "search", context, status)


def make_result_cards(hosted: HostedCollection, hits: Hits) -> list[Card]:
    """Return cards of the search results, closest first."""
    facts = {
        hit.image_id: {
            "similarity": hit.similarity,
            "relation_text": describe_relation(hit.relation, hit.difference, percent),
        }
        for hit in hits.hits
    }
    return make_cards(hosted, facts)
