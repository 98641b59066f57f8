from __future__ import annotations

from django.urls import path

from archive import views

app_name = "archive"
urlpatterns = [
    path("", views.photographs, name="photographs"),
    path("copies/", views.copies, name="copies"),
    path("<uuid:pk>/", views.photograph, name="photograph"),
]
