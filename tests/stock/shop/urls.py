from django.urls import path

from . import views

urlpatterns = [path("do/<slug:kind>/<slug:operation>/", views.do)]
