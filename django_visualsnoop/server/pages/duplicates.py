"""The page of groups of duplicates in a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.views.decorators.http import require_http_methods

from django_visualsnoop.server.content.duplicates import MAX_COMPARED, NEWEST, find_duplicates
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.pages.cards import make_cards
from django_visualsnoop.server.pages.rendering import (
    get_collection_or_404,
    page,
    render_collection_page,
)
from django_visualsnoop.server.tenants.usage import get_usage

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

GROUPS_PER_PAGE = 20
#: The number of images shown of one group.
MAX_SHOWN = 24


@page
@require_http_methods(["GET", "HEAD"])
def show_duplicates(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show the groups of duplicates, closest first."""
    hosted = get_collection_or_404(request, collection_id)
    count = get_usage(hosted).images
    found = find_duplicates(HostedImages(hosted), count)
    paginator = Paginator(found.groups, GROUPS_PER_PAGE)
    current = paginator.get_page(request.GET.get("page"))
    # No image is in two groups, so one query fetches all of them.
    facts = {
        one.image_id: {"similarity": one.similarity}
        for members in current.object_list
        for one in members[:MAX_SHOWN]
    }
    card_of = {card.image_id: card for card in make_cards(hosted, facts)}
    shown = [
        {
            "number": number,
            "size": len(members),
            "hidden": max(0, len(members) - MAX_SHOWN),
            "cards": [card_of[one.image_id] for one in members[:MAX_SHOWN]],
        }
        for number, members in enumerate(current.object_list, current.start_index())
    ]
    context = {
        "groups": shown,
        "page": current,
        "total": paginator.count,
        "images": count,
        "newest": NEWEST if count > MAX_COMPARED else None,
        "complete": found.complete,
    }
    return render_collection_page(request, hosted, "duplicates", context)
