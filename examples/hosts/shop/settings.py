"""Settings that are the same on every host. What differs from one installation to the next comes from the environment."""

import os
from pathlib import Path

from django.core.files.storage import FileSystemStorage

BASE_DIR = Path(__file__).resolve().parent.parent
RELEASE = (BASE_DIR / "RELEASE").read_text().strip() if (BASE_DIR / "RELEASE").exists() else "dev"

# Signs cookies and links: one host must be able to read what another has signed.
SECRET_KEY = os.environ["SHOP_SECRET_KEY"]
DATA = os.environ.get("SHOP_DATA", "10.0.0.20")  # where PostgreSQL and Redis are
ALLOWED_HOSTS = ["shop.example"]
DEBUG = False
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
INSTALLED_APPS = ["django.contrib.sessions", "django.contrib.staticfiles", "shop"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": DATA,
        "NAME": "shop",
        "USER": "shop",
        "PASSWORD": os.environ.get("SHOP_DATABASE_PASSWORD", ""),
        # A connection for each thread of each worker, kept: see "Connections" in docs/several-hosts.md.
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            # PostgreSQL must notice within seconds that a host has died: until then the locks of its transactions stay.
            "options": "-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c tcp_user_timeout=6000",
        },
    }
}

# Sessions are read from the cache and written to both: they outlive a host, and Redis.
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": f"redis://{DATA}:6379/0",
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }
}

CELERY_BROKER_URL = f"redis://{DATA}:6379/1"
CELERY_TASK_IGNORE_RESULT = True
# A task is done when it has run, not when it was fetched. Of a host that dies it comes back when this time is over, which must be
# longer than any task.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": int(os.environ.get("SHOP_VISIBILITY_TIMEOUT", "600"))}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE = {"sweep": {"task": "shop.tasks.sweep", "schedule": 2.0}}
# The lock of the one beat that schedules. Longer than the loop, which renews it; so long nobody schedules when its host dies.
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_REDBEAT_REDIS_URL = f"redis://{DATA}:6379/2"
CELERY_REDBEAT_LOCK_TIMEOUT = 5

# The folder of static files belongs to the host, not to the release: it keeps the names of the release before, for pages that
# are still open or come from a host that is not yet updated. Which names are its own, a release knows by itself.
STATIC_URL = "/static/"
STATIC_ROOT = os.environ.get("SHOP_STATIC", str(BASE_DIR / "static"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
        "OPTIONS": {"manifest_storage": FileSystemStorage(location=BASE_DIR)},
    },
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
