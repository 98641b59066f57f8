"""``include("django_visualsnoop.server.urls")``: ``/api/v1/…``, ``/api/v2/…`` and the pages."""

from __future__ import annotations

from django.urls import include, path, re_path

from django_visualsnoop.server import health
from django_visualsnoop.server.api_v1.view import api_v1
from django_visualsnoop.server.api_v2.view import api_v2

app_name = "visualsnoop_server"

urlpatterns = [
    # Match everything under the prefix, including new lines, so that Django never redirects.
    re_path(r"^api/v1(?:/(?P<rest>(?s:.*)))?\Z", api_v1, name="api_v1"),
    re_path(r"^api/v2(?:/(?P<rest>(?s:.*)))?\Z", api_v2, name="api_v2"),
    path("healthz", health.live, name="live"),
    path("readyz", health.ready, name="ready"),
    path("", include("django_visualsnoop.server.pages.urls")),
]
