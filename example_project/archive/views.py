from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, render

from archive.models import Photograph

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


def photographs(request: HttpRequest) -> HttpResponse:
    page = Paginator(Photograph.objects.all(), 48).get_page(request.GET.get("page"))
    return render(request, "archive/photographs.html", {"page": page})


def photograph(request: HttpRequest, pk: UUID) -> HttpResponse:
    shown = get_object_or_404(Photograph, pk=pk)
    similar = Photograph.objects.similar_to(shown, limit=8)
    return render(request, "archive/photograph.html", {"photograph": shown, "similar": similar})


def copies(request: HttpRequest) -> HttpResponse:
    page = Paginator(Photograph.objects.duplicates(), 20).get_page(request.GET.get("page"))
    return render(request, "archive/copies.html", {"page": page})
