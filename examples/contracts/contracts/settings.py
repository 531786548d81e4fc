"""Settings of the contracts site; each one that a deployment changes is an
environment variable, listed in README.md."""

import warnings
from pathlib import Path

from contracts import env

BASE_DIR = Path(__file__).resolve().parent.parent

# A demo is meant to be tried from anywhere with a known password; a site that
# holds real contracts sets CONTRACTS_DEMO=0 and must then bring its own key.
DEMO = env.flag("CONTRACTS_DEMO", default=True)
DEBUG = env.flag("DEBUG", default=False)

SECRET_KEY = env.text("SECRET_KEY", "demo-key-not-a-secret" if DEMO else "")
ALLOWED_HOSTS = ["*"] if DEMO else env.text("CONTRACTS_ALLOWED_HOSTS").split()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "registry",
    "showcase",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "contracts.urls"
WSGI_APPLICATION = "contracts.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": env.text("CONTRACTS_DB", str(BASE_DIR / "contracts.sqlite3")),
        "CONN_MAX_AGE": 60,
        "OPTIONS": {
            # Readers do not wait for the writer, and a writer that finds
            # another one waits its turn rather than failing half-way.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("CONTRACTS_STATIC", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Before the first collectstatic the files are served from the apps.
WHITENOISE_USE_FINDERS = not STATIC_ROOT.is_dir()
if WHITENOISE_USE_FINDERS:
    warnings.filterwarnings("ignore", "No directory at", UserWarning)

MEDIA_ROOT = Path(env.text("CONTRACTS_MEDIA", str(BASE_DIR / "media")))
MEDIA_URL = "/media/"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

# How long the document-scanning service takes to answer.
SCAN_SECONDS = env.seconds("CONTRACTS_SCAN_SECONDS", default=2.0)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "console": {"format": "[{levelname}] {name}: {message}", "style": "{"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "console"},
        "telegram": {
            "class": "contracts.telegram.TelegramHandler",
            "level": "ERROR",
            "token": env.text("TELEGRAM_BOT_TOKEN"),
            "chat_id": env.text("TELEGRAM_CHAT_ID"),
            "api_url": env.text("TELEGRAM_API_URL", "https://api.telegram.org"),
        },
    },
    "root": {"handlers": ["console", "telegram"], "level": "INFO"},
    # Django's own handlers (mail to admins) give way to the two above.
    "loggers": {"django": {"handlers": [], "level": "INFO", "propagate": True}},
}
