from __future__ import annotations

from django.contrib import admin

from django_visualsnoop.admin import VisualSnoopAdminMixin
from shop.models import Product


@admin.register(Product)
class ProductAdmin(VisualSnoopAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "price", "active", "visualsnoop_state"]
    list_filter = ["active"]
    search_fields = ["name"]
