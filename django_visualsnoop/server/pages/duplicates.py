"""Groups of copies in a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.views.decorators.http import require_http_methods

from django_visualsnoop.server.content.duplicates import MAX_COMPARED, NEWEST, groups
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.pages.cards import cards
from django_visualsnoop.server.pages.rendering import hosted_or_404, of_collection, page
from django_visualsnoop.server.tenants.usage import usage

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

GROUPS_PER_PAGE = 20
#: Of one group.
MAX_SHOWN = 24


@page
@require_http_methods(["GET", "HEAD"])
def copies(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show the groups of copies, the closest first."""
    hosted = hosted_or_404(request, collection_id)
    count = usage(hosted).images
    found = groups(HostedImages(hosted), count)
    paginator = Paginator(found.groups, GROUPS_PER_PAGE)
    current = paginator.get_page(request.GET.get("page"))
    # No image is in two groups, so all of them are looked up at once.
    facts = {
        one.image_id: {"similarity": one.similarity}
        for members in current.object_list
        for one in members[:MAX_SHOWN]
    }
    card_of = {card.image_id: card for card in cards(hosted, facts)}
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
    return of_collection(request, hosted, "copies", context)
