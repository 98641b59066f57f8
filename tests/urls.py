from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from django_visualsnoop import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz/visualsnoop/", views.health),
    path("healthz/other/", views.health, {"using": "other", "max_delay": 60}),
    path("", include("django_visualsnoop.server.urls")),
]
