from django.urls import path

from . import views

urlpatterns = [
    path("do/<slug:kind>/<slug:operation>/", views.do),
    path("statuses/", views.show_statuses),
]
