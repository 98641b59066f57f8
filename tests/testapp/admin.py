"""Admins of every shape that the mixin must work in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from django_visualsnoop.admin import DuplicateCheckAdminMixin, VisualSnoopAdminMixin
from tests.testapp.models import Article, Document, Listing, Product, Shop

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(Product)
class ProductAdmin(VisualSnoopAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("__str__", "name", "active", "visualsnoop_state")
    list_filter = ("active",)
    search_fields = ("name",)
    visualsnoop_groups_per_page = 3
    visualsnoop_rows_per_group = 4


@admin.register(Article)
class ArticleAdmin(VisualSnoopAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Two image fields, a UUID key, a column that may be changed in the list."""

    list_display = ("id", "title", "visualsnoop_state")
    list_editable = ("title",)
    readonly_fields = ("visualsnoop_state",)


@admin.register(Document)
class DocumentAdmin(VisualSnoopAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """A string key, and thumbnails made elsewhere."""

    def visualsnoop_thumbnail_url(self, obj: Any, field: str) -> str:
        return f"/thumbnails/{field}/{obj.pk}"


@admin.register(Listing)
class ListingAdmin(VisualSnoopAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Only superusers see what is not published, and nobody deletes many at once."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(published=True)


class ProductInline(admin.StackedInline):  # type: ignore[type-arg]
    model = Product
    fields = ("name", "photo")


@admin.register(Shop)
class ShopAdmin(DuplicateCheckAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """A model that is not indexed, with rows of one that is."""

    inlines = (ProductInline,)
