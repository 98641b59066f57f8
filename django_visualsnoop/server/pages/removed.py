"""The page of images that a review has deleted, and that can be restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.removals import CannotRestore, get_removals, restore
from django_visualsnoop.server.pages.rendering import (
    get_collection_or_404,
    make_access_check,
    page,
    render_collection_page,
)

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

REMOVALS_PER_PAGE = 24


@page
@require_http_methods(["GET", "HEAD", "POST"])
def show_removed(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show what reviews have deleted, newest first; restore the images of one ``removal``."""
    hosted = get_collection_or_404(request, collection_id)
    if request.method == "POST":
        text = request.POST.get("removal", "")
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Http404
        try:
            restored = restore(HostedImages(hosted, make_access_check(request, hosted)), int(text))
        except CannotRestore as error:
            messages.error(request, str(error), fail_silently=True)
        else:
            done = ngettext(
                "Restored %(count)d image.", "Restored %(count)d images.", len(restored)
            )
            messages.success(request, done % {"count": len(restored)}, fail_silently=True)
        return redirect("visualsnoop_server:removed", hosted.pk)
    rows = get_removals(hosted).defer("snapshot")
    current = Paginator(rows, REMOVALS_PER_PAGE).get_page(request.GET.get("page"))
    return render_collection_page(request, hosted, "removed", {"page": current})
