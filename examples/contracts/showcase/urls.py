from django.urls import path

from showcase import views

urlpatterns = [
    path("race", views.race, name="race"),
    path("live", views.live, name="live"),
    path("live/events", views.live_events, name="live-events"),
    path("boom", views.boom, name="boom"),
    path("health", views.health, name="health"),
]
