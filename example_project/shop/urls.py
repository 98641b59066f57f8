from __future__ import annotations

from django.urls import path

from shop import views

app_name = "shop"
urlpatterns = [
    path("", views.product_list, name="products"),
    path("prints/<int:pk>/", views.product, name="product"),
    path("search/", views.search, name="search"),
]
