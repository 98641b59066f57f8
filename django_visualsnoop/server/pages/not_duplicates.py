"""Pages of pairs marked as not duplicates: mark, list and unmark them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from django_visualsnoop.engine.exceptions import ImageMissing
from django_visualsnoop.server.content import not_duplicates
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.not_duplicates import SameImage, make_pair
from django_visualsnoop.server.pages.cards import make_cards
from django_visualsnoop.server.pages.converters import parse_image_id
from django_visualsnoop.server.pages.rendering import (
    get_collection_or_404,
    make_access_check,
    page,
    render_collection_page,
)

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PAIRS_PER_PAGE = 24


@page
@require_http_methods(["GET", "HEAD", "POST"])
def show_not_duplicates(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show the pairs marked as not duplicates, newest first; mark one image and others.

    The form has ``image``, and one ``member`` for each image of the displayed group.
    """
    if request.method == "POST":
        return _mark_not_duplicates(request, collection_id)
    hosted = get_collection_or_404(request, collection_id)
    pairs = not_duplicates.list_pairs(HostedImages(hosted))
    current = Paginator(pairs[::-1], PAIRS_PER_PAGE).get_page(request.GET.get("page"))
    card_of = {
        card.image_id: card
        for card in make_cards(hosted, {image_id: {} for pair in current for image_id in pair})
    }
    shown = [[card_of[image_id] for image_id in pair] for pair in current]
    return render_collection_page(
        request, hosted, "not_duplicates", {"pairs": shown, "page": current}
    )


def _mark_not_duplicates(request: HttpRequest, collection_id: str) -> HttpResponse:
    hosted = get_collection_or_404(request, collection_id)
    image_id = parse_image_id(request.POST.get("image", ""))
    others = {parse_image_id(text) for text in request.POST.getlist("member")} - {image_id}
    if not others:
        raise Http404
    try:
        pairs = [make_pair(image_id, other) for other in others]
        images = HostedImages(hosted, make_access_check(request, hosted))
        not_duplicates.mark_pairs(images, pairs)
    except ImageMissing:
        text = _("One of these images has been deleted. Nothing was changed. Try again.")
        messages.error(request, text, fail_silently=True)
    else:
        text = ngettext(
            "%(id)s was marked as not a duplicate of the other image.",
            "%(id)s was marked as not a duplicate of %(count)d other images.",
            len(others),
        )
        message = text % {"id": image_id, "count": len(others)}
        messages.success(request, message, fail_silently=True)
    return redirect("visualsnoop_server:duplicates", hosted.pk)


@page
@require_POST
def unmark_not_duplicates(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Unmark two images, each a ``member`` of the form, that were marked as not duplicates."""
    hosted = get_collection_or_404(request, collection_id)
    ids = [parse_image_id(text) for text in request.POST.getlist("member")]
    try:
        one, other = ids
        pair = make_pair(one, other)
    except (SameImage, ValueError):
        raise Http404 from None
    images = HostedImages(hosted, make_access_check(request, hosted))
    if not_duplicates.unmark_pair(images, pair):
        text = _("%(one)s and %(other)s are no longer marked as not duplicates.")
        messages.success(request, text % {"one": one, "other": other}, fail_silently=True)
    return redirect("visualsnoop_server:not_duplicates", hosted.pk)
