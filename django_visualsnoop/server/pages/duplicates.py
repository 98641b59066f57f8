"""The page of groups of duplicates in a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.views.decorators.http import require_http_methods

from django_visualsnoop.server.content.duplicates import MAX_COMPARED, NEWEST, find_duplicates
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.review import Review
from django_visualsnoop.server.pages.cards import make_cards
from django_visualsnoop.server.pages.converters import ImageId
from django_visualsnoop.server.pages.rendering import (
    get_collection_or_404,
    page,
    render_collection_page,
)
from django_visualsnoop.server.pages.resolve import is_sure
from django_visualsnoop.server.tenants.usage import get_usage

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

GROUPS_PER_PAGE = 20
#: The number of images shown of one group.
MAX_SHOWN = 24


@page
@require_http_methods(["GET", "HEAD"])
def show_duplicates(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show the groups of duplicates, closest first: those to review, or those that are kept."""
    hosted = get_collection_or_404(request, collection_id)
    count = get_usage(hosted).images
    images = HostedImages(hosted)
    found = find_duplicates(images, count)
    groups = Review(images, found).list_groups()
    shows_kept = request.GET.get("state") == "kept"
    listed = [group for group in groups if group.is_kept == shows_kept]
    opened = [group for group in groups if not group.is_kept]
    paginator = Paginator(listed, GROUPS_PER_PAGE)
    current = paginator.get_page(request.GET.get("page"))
    # No image is in two groups, so one query fetches all of them.
    facts = {
        one.image_id: {"similarity": one.similarity}
        for group in current.object_list
        for one in group.members[:MAX_SHOWN]
    }
    card_of = {card.image_id: card for card in make_cards(hosted, facts)}
    shown = [
        {
            "number": group.place + 1,
            "first_id": group.members[0].image_id,
            "size": len(group.members),
            "hidden": max(0, len(group.members) - MAX_SHOWN),
            "cards": [card_of[one.image_id] for one in group.members[:MAX_SHOWN]],
        }
        for group in current.object_list
    ]
    sure = [] if shows_kept else [one for one in current.object_list if is_sure(one.members)]
    context = {
        "groups": shown,
        "sure_ids": [ImageId().to_url(group.members[0].image_id) for group in sure],
        "page": current,
        "total": paginator.count,
        "found": len(groups),
        "to_review": len(opened),
        "kept": len(groups) - len(opened),
        "shows_kept": shows_kept,
        "query": "state=kept&" if shows_kept else "",
        "first_id": opened[0].members[0].image_id if opened else None,
        "images": count,
        "newest": NEWEST if count > MAX_COMPARED else None,
        "complete": found.complete,
    }
    return render_collection_page(request, hosted, "duplicates", context)
