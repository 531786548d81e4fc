"""A Django site with static files: /page/NAME is a view beside /static/NAME, and says where the static file shop.css is.

/ready/ answers with the status in the file "ready" of the site's folder, or waits for the test.
"""

import os

import testsync
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")


def page(request, name):
    return HttpResponse(static("shop/shop.css"), content_type="text/css; charset=utf-8")


def ready(request):
    testsync.mark("asked", f"{request.scheme}://{request.get_host()}{request.get_full_path()}")
    status = (settings.DIR / "ready").read_text()
    if status == "wait":
        testsync.wait("go-on")
    return HttpResponse(status=int(status) if status.isdigit() else 200)


urlpatterns = [path("page/<path:name>", page), path("ready/", ready)]
app = get_wsgi_application()
