"""Pairs that someone has called no copies: calling them so, looking at them, taking it back."""

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
from django_visualsnoop.server.content.not_duplicates import SameImage, pair_of
from django_visualsnoop.server.pages.cards import cards
from django_visualsnoop.server.pages.converters import ImageId
from django_visualsnoop.server.pages.rendering import (
    access_check,
    hosted_or_404,
    of_collection,
    page,
)

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PAIRS_PER_PAGE = 24


@page
@require_http_methods(["GET", "HEAD", "POST"])
def apart(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show the pairs that were called no copies, the newest first; call one image none of others.

    A form has ``image``, and ``member`` for each image of the group that was shown.
    """
    if request.method == "POST":
        return _set_apart(request, collection_id)
    hosted = hosted_or_404(request, collection_id)
    pairs = not_duplicates.remembered(HostedImages(hosted))
    current = Paginator(pairs[::-1], PAIRS_PER_PAGE).get_page(request.GET.get("page"))
    card_of = {
        card.image_id: card
        for card in cards(hosted, {image_id: {} for pair in current for image_id in pair})
    }
    shown = [[card_of[image_id] for image_id in pair] for pair in current]
    return of_collection(request, hosted, "apart", {"pairs": shown, "page": current})


def _set_apart(request: HttpRequest, collection_id: str) -> HttpResponse:
    hosted = hosted_or_404(request, collection_id)
    image_id = _image_id(request.POST.get("image", ""))
    others = {_image_id(text) for text in request.POST.getlist("member")} - {image_id}
    if not others:
        raise Http404
    try:
        pairs = [pair_of(image_id, other) for other in others]
        images = HostedImages(hosted, access_check(request, hosted))
        not_duplicates.remember_all(images, pairs)
    except ImageMissing:
        text = _("One of these images was deleted meanwhile. Nothing was done; look again.")
        messages.error(request, text, fail_silently=True)
    else:
        text = ngettext(
            "%(id)s is remembered as no copy of the other image.",
            "%(id)s is remembered as no copy of the %(count)d others.",
            len(others),
        )
        told = text % {"id": image_id, "count": len(others)}
        messages.success(request, told, fail_silently=True)
    return redirect("visualsnoop_server:copies", hosted.pk)


@page
@require_POST
def together(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Forget that two images, each a ``member`` of the form, were called no copies."""
    hosted = hosted_or_404(request, collection_id)
    ids = [_image_id(text) for text in request.POST.getlist("member")]
    try:
        one, other = ids
        pair = pair_of(one, other)
    except (SameImage, ValueError):
        raise Http404 from None
    images = HostedImages(hosted, access_check(request, hosted))
    if not_duplicates.take_back(images, pair):
        text = _("%(one)s and %(other)s may be shown as copies again.")
        messages.success(request, text % {"one": one, "other": other}, fail_silently=True)
    return redirect("visualsnoop_server:apart", hosted.pk)


def _image_id(text: str) -> str:
    try:
        return ImageId().to_python(text)
    except ValueError:
        raise Http404 from None
