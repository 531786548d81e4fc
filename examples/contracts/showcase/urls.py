from django.urls import path

from showcase import views

urlpatterns = [
    path("race", views.race, name="race"),
    path("live", views.live, name="live"),
    path("live/events", views.live_events, name="live-events"),
    path("boom", views.boom, name="boom"),
    path("health", views.health, name="health"),
    path("report/<slug:name>/", views.report, name="report"),
    path("survey/<slug:name>/", views.survey, name="survey"),
    path("megabyte", views.megabyte, name="megabyte"),
    path("digest", views.digest, name="digest"),
]
