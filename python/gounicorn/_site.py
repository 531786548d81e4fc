"""The site document: what the loaded application says of its static files and of the headers that belong on them.

The master serves the files of a Django site (server/site), and needs to know what only the settings know. Nothing here is
decided; values are made plain and bounded. Settings are read past Django's lazy object, which would fix a relative STATIC_URL
for good before the first request has told its script name.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import _gounicorn_process as process

from gounicorn import _apploader, _journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_NAMES = 3 << 20  # bytes of names of the manifest in the document, which may have 4 MiB
MAX_TEXT = 4096  # characters of any other text
MAX_ITEMS = 1000  # of any other list

SECURITY = "django.middleware.security"
COMMON = "django.middleware.common"
WHITENOISE = "whitenoise.middleware"
HARMLESS = ("django", "whitenoise", "corsheaders")  # packages whose middleware answers for no host that is not allowed


def tell(worker: int = 0) -> None:
    """Send the master the site document; worker: who says it, 0 for the zygote."""
    try:
        text = json.dumps(document(), ensure_ascii=True).encode()
        if len(text) > process.MAX_PAYLOAD_FD:
            text = json.dumps({"problems": [f"what the settings say is {len(text)} bytes long"]}).encode()
    except Exception as error:  # whatever the settings hold: a site whose files we do not serve is better than none
        text = json.dumps({"problems": [_apploader.describe(error)[-MAX_TEXT:]]}).encode()
    _journal.send_document(process.SITE, text, worker)


def document() -> dict[str, Any]:
    """Return what is known of the application, nothing if it is not Django."""
    django = sys.modules.get("django.conf")
    settings = getattr(django, "settings", None)
    if settings is None or not settings.configured:
        return {}
    return _Django(settings._wrapped).document()


class _Django:
    """The settings of a Django application."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self._problems: list[str] = []
        self._apps = self._list("INSTALLED_APPS")
        self._classes = list(self._middleware())

    def document(self) -> dict[str, Any]:
        staticfiles = self._has_app("django.contrib.staticfiles")
        found: dict[str, Any] = {
            "framework": "django",
            "debug": bool(self._get("DEBUG")),
            "static_url": self._text("STATIC_URL"),
            "static_root": self._path("STATIC_ROOT"),
            "force_script_name": self._text("FORCE_SCRIPT_NAME"),
            "media_url": self._text("MEDIA_URL"),
            "media_root": self._path("MEDIA_ROOT"),
            "staticfiles": staticfiles,
            "whitenoise": any(name.startswith(WHITENOISE) for name in self._installed("WhiteNoiseMiddleware")),
            "whitenoise_root": self._path("WHITENOISE_ROOT"),
            "allowed_hosts": self._list("ALLOWED_HOSTS"),
            "hosts_checked": self._checks_hosts(),
            "x_forwarded_host": bool(self._get("USE_X_FORWARDED_HOST")),
            "proxy_ssl_header": self._list("SECURE_PROXY_SSL_HEADER"),
            "security": self._security() if SECURITY in self._installed("SecurityMiddleware") else None,
        }
        if staticfiles:
            found["manifest"] = self._try("the staticfiles manifest", self._manifest)
            if found["debug"]:
                found["finders"] = self._try("the finders of static files", self._finders)
        found["problems"] = self._problems
        return found

    def _get(self, name: str) -> Any:
        return getattr(self._settings, name, None)

    def _text(self, name: str) -> str:
        value = self._get(name)
        return "" if value is None else str(value)[:MAX_TEXT]

    def _path(self, name: str) -> str:
        value = self._get(name)
        return os.path.abspath(os.fsdecode(value))[:MAX_TEXT] if value else ""

    def _list(self, name: str) -> list[str]:
        value = self._get(name)
        return [str(item)[:MAX_TEXT] for item in list(value)[:MAX_ITEMS]] if isinstance(value, (list, tuple, set)) else []

    def _try(self, what: str, collect: Any) -> Any:
        try:
            return collect()
        except Exception as error:
            self._problems.append(f"{what}: {type(error).__name__}: {error}"[:MAX_TEXT])
            return None

    def _has_app(self, name: str) -> bool:
        return any(app == name or app.startswith(f"{name}.apps.") for app in self._apps)

    def _middleware(self) -> Iterator[type]:
        """Yield the classes of the middleware that are loaded, which Django's handler has done."""
        for path in self._list("MIDDLEWARE"):
            module, _, name = path.rpartition(".")
            found = getattr(sys.modules.get(module), name, None)
            if isinstance(found, type):
                yield found

    def _installed(self, name: str) -> set[str]:
        """Return the modules of the middleware of that name, of base classes too."""
        return {base.__module__ for cls in self._classes for base in cls.__mro__ if base.__name__ == name}

    def _checks_hosts(self) -> bool:
        """Tell whether Django refuses all other hosts: CommonMiddleware does, but what comes before it may answer."""
        for path in self._list("MIDDLEWARE"):
            if path == f"{COMMON}.CommonMiddleware":
                return True
            if path.split(".", 1)[0] not in HARMLESS:
                return False
        return False

    def _security(self) -> dict[str, Any]:
        """Return what SecurityMiddleware goes by."""
        policy = self._get("SECURE_REFERRER_POLICY")
        if isinstance(policy, str):
            policy = [part.strip() for part in policy.split(",")]
        return {
            "nosniff": bool(self._get("SECURE_CONTENT_TYPE_NOSNIFF")),
            "referrer_policy": ",".join(policy)[:MAX_TEXT] if policy else "",
            "cross_origin_opener_policy": self._text("SECURE_CROSS_ORIGIN_OPENER_POLICY"),
            "hsts_seconds": int(self._get("SECURE_HSTS_SECONDS") or 0),
            "hsts_include_subdomains": bool(self._get("SECURE_HSTS_INCLUDE_SUBDOMAINS")),
            "hsts_preload": bool(self._get("SECURE_HSTS_PRELOAD")),
            "ssl_redirect": bool(self._get("SECURE_SSL_REDIRECT")),
            "ssl_host": self._text("SECURE_SSL_HOST"),
            "redirect_exempt": self._list("SECURE_REDIRECT_EXEMPT"),
        }

    def _manifest(self) -> dict[str, Any] | None:
        """Return where the manifest of hashed names is, and the names; None if the storage has none."""
        from django.contrib.staticfiles.storage import ManifestFilesMixin
        from django.utils.module_loading import import_string

        chosen = (self._get("STORAGES") or {}).get("staticfiles") or {"BACKEND": self._get("STATICFILES_STORAGE")}
        storage = import_string(chosen["BACKEND"]) if chosen["BACKEND"] else None
        if not isinstance(storage, type) or not issubclass(storage, ManifestFilesMixin):
            return None
        options = chosen.get("OPTIONS") or {}
        apart = getattr(options.get("manifest_storage"), "location", None)
        location = apart or options.get("location") or self._path("STATIC_ROOT")
        path = os.path.join(os.path.abspath(os.fsdecode(location)), storage.manifest_name)
        try:
            with open(path, encoding="utf-8") as file:
                names = json.load(file).get("paths", {})
        except FileNotFoundError:
            return {"path": path, "missing": True}
        # a storage may leave the hash out of a name, and then the file is not immutable
        hashed = sorted({value for key, value in names.items() if value != key})
        kept = _bounded(hashed)
        if len(kept) < len(hashed):
            self._problems.append(f"the staticfiles manifest has {len(hashed)} names; the first {len(kept)} count as immutable")
        return {"path": path, "names": kept}

    def _finders(self) -> list[list[str]]:
        """Return the folders in which finders look: what stands before names in the URL, and the folder."""
        from django.contrib.staticfiles import finders

        found: list[list[str]] = []
        for finder in finders.get_finders():
            storages = getattr(finder, "storages", None)
            if not isinstance(storages, dict):
                self._problems.append(
                    f"what only {type(finder).__name__} finds is left to the application, as it does not say in which folders "
                    "it looks; name them with --static"
                )
                continue
            for storage in storages.values():
                prefix = (getattr(storage, "prefix", None) or "").strip("/")
                found.append([prefix, os.path.abspath(os.fsdecode(storage.location))])
        return found[:MAX_ITEMS]


def _bounded(names: Iterable[str]) -> list[str]:
    kept, room = [], MAX_NAMES
    for name in names:
        room -= len(json.dumps(name)) + 2
        if room < 0:
            break
        kept.append(name)
    return kept
