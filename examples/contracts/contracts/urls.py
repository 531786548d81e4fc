"""URLs of the site: the contracts, the showcase pages, login and admin."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("registry.urls")),
    path("", include("showcase.urls")),
    path(
        "login/",
        LoginView.as_view(extra_context={"demo": settings.DEMO}),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    # Asked for by browsers on pages that name no icon, such as the admin's.
    path("favicon.ico", RedirectView.as_view(url=static("registry/icon.svg"))),
]
