"""The pages and the API at the root, and Django's admin for the operator."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

handler404 = "django_visualsnoop.server.pages.rendering.not_found"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("django_visualsnoop.server.urls")),
]
