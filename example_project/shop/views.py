from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import get_object_or_404, render

from django_visualsnoop.client.exceptions import ImageRefusedError, VisualSnoopError
from shop.forms import SearchForm
from shop.models import Product

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


def product_list(request: HttpRequest) -> HttpResponse:
    products = Product.objects.filter(active=True)
    return render(request, "shop/product_list.html", {"products": products})


def product(request: HttpRequest, pk: int) -> HttpResponse:
    on_sale = Product.objects.filter(active=True)
    shown = get_object_or_404(on_sale, pk=pk)
    try:
        similar = on_sale.similar_to(shown, limit=8)
    except VisualSnoopError:
        similar = None  # a shop goes on selling while its collection is away
    return render(request, "shop/product.html", {"product": shown, "similar": similar})


def search(request: HttpRequest) -> HttpResponse:
    form = SearchForm(request.POST or None, request.FILES or None)
    found = None
    if request.method == "POST" and form.is_valid():
        picture = form.cleaned_data["picture"]
        try:
            found = Product.objects.filter(active=True).similar_to(picture, limit=12)
        except ImageRefusedError as error:
            form.add_error("picture", str(error))
        except VisualSnoopError:
            form.add_error(None, "The search does not answer just now. Try again in a minute.")
    return render(request, "shop/search.html", {"form": form, "found": found})
