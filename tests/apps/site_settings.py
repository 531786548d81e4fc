"""Settings of site_app: what every site has, then those of settings.json in the folder SITE_DIR, read anew by each generation."""

import json
import os
from pathlib import Path

DIR = Path(os.environ["SITE_DIR"])
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_app"
INSTALLED_APPS = ["django.contrib.staticfiles", "shop"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
STATIC_URL = "static/"
STATIC_ROOT = DIR / "static"
STATICFILES_DIRS = [("img", Path(__file__).parent / "shop" / "images")]
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.security": {"handlers": ["console"], "level": "ERROR"}},
}

globals().update(json.loads((DIR / "settings.json").read_text()))
