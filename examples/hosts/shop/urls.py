"""Addresses."""

from django.urls import path

from shop import views

urlpatterns = [
    path("page/<str:number>", views.page),
    path("orders/<str:number>", views.order),
]
