"""A Django site with static files: /page/NAME is a view beside /static/NAME, and says where the static file shop.css is."""

import os

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")


def page(request, name):
    return HttpResponse(static("shop/shop.css"), content_type="text/css; charset=utf-8")


urlpatterns = [path("page/<path:name>", page)]
app = get_wsgi_application()
