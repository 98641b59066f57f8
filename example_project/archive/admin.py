from __future__ import annotations

from django.contrib import admin

from archive.models import Photograph
from django_visualsnoop.admin import VisualSnoopAdminMixin


@admin.register(Photograph)
class PhotographAdmin(VisualSnoopAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "photographer", "taken_on", "visualsnoop_state"]
    search_fields = ["title", "photographer"]
