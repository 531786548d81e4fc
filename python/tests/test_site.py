"""What is read from the settings of Django, and from which variants of them."""

import json
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

PYTHON = Path(__file__).resolve().parent.parent


@pytest.fixture
def site(monkeypatch):
    sent = []
    process = types.ModuleType("_gounicorn_process")
    process.SITE, process.MAX_PAYLOAD_FD = 44, 4 << 20
    monkeypatch.setitem(sys.modules, "_gounicorn_process", process)
    for name in ("gounicorn._journal", "gounicorn._site"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from gounicorn import _site

    monkeypatch.setattr(_site._journal, "send_document", lambda kind, text, a=0: sent.append((kind, json.loads(text), a)))
    _site.sent = sent
    yield _site
    for name in ("gounicorn._journal", "gounicorn._site"):
        sys.modules.pop(name, None)


def describe(site, **settings):
    return site._Django(types.SimpleNamespace(**settings)).document()


def manifest_site(tmp_path, **storage):
    paths = {"a.css": "a.0123456789ab.css", "b.css": "b.css", "c/d.js": "c/d.ba9876543210.js"}
    (tmp_path / "staticfiles.json").write_text(json.dumps({"version": "1.1", "paths": paths}))
    backend = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    return {
        "INSTALLED_APPS": ["django.contrib.staticfiles"],
        "STATIC_ROOT": tmp_path,
        "STORAGES": {"staticfiles": {"BACKEND": backend, **storage}},
    }


def test_names_with_a_hash_are_immutable_and_others_are_not(site, tmp_path):
    found = describe(site, **manifest_site(tmp_path))
    assert found["problems"] == []
    assert found["manifest"] == {
        "path": str(tmp_path / "staticfiles.json"),
        "names": ["a.0123456789ab.css", "c/d.ba9876543210.js"],
    }


def test_the_manifest_is_where_the_storage_has_it(site, tmp_path):
    settings = manifest_site(tmp_path, OPTIONS={"location": str(tmp_path)})
    settings["STATIC_ROOT"] = "/nowhere"
    assert describe(site, **settings)["manifest"]["names"]
    settings = manifest_site(tmp_path, OPTIONS={"manifest_storage": types.SimpleNamespace(location=str(tmp_path))})
    settings["STATIC_ROOT"] = "/nowhere"
    assert describe(site, **settings)["manifest"]["names"]
    settings = manifest_site(tmp_path)
    settings["STATICFILES_STORAGE"] = settings.pop("STORAGES")["staticfiles"]["BACKEND"]  # Django 4.1
    assert describe(site, **settings)["manifest"]["names"]
    settings["STATICFILES_STORAGE"] = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    assert describe(site, **settings)["manifest"]["names"]


def test_a_manifest_that_is_missing_broken_or_not_meant(site, tmp_path):
    settings = manifest_site(tmp_path)
    (tmp_path / "staticfiles.json").write_text("{")
    found = describe(site, **settings)
    assert found["manifest"] is None and "the staticfiles manifest: JSONDecodeError" in found["problems"][0]
    (tmp_path / "staticfiles.json").unlink()
    assert describe(site, **settings)["manifest"] == {"path": str(tmp_path / "staticfiles.json"), "missing": True}
    settings["STORAGES"]["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    found = describe(site, **settings)
    assert found["manifest"] is None and found["problems"] == []
    settings["STORAGES"]["staticfiles"]["BACKEND"] = "no.such.Storage"
    assert "ModuleNotFoundError" in describe(site, **settings)["problems"][0]


def test_the_document_is_bounded(site, tmp_path):
    settings = manifest_site(tmp_path)
    paths = {f"{number}.css": f"{number}.{'a' * 200}.css" for number in range(20_000)}
    (tmp_path / "staticfiles.json").write_text(json.dumps({"paths": paths}))
    found = describe(site, **settings, ALLOWED_HOSTS=["x" * 10_000] * 5000)
    assert 10_000 < len(found["manifest"]["names"]) < 20_000 and "20000 names" in found["problems"][0]
    assert len(found["allowed_hosts"]) == site.MAX_ITEMS and len(found["allowed_hosts"][0]) == site.MAX_TEXT


def test_what_cannot_be_read_is_told(site, monkeypatch):
    monkeypatch.setattr(site, "document", lambda: 1 / 0)
    site.tell(7)
    monkeypatch.setattr(site, "document", lambda: {"names": "x" * (5 << 20)})
    site.tell()
    (kind, first, worker), (_, second, zygote) = site.sent
    assert (kind, worker, zygote) == (44, 7, 0)
    assert "ZeroDivisionError" in first["problems"][0] and "bytes long" in second["problems"][0]


@pytest.mark.parametrize(
    ("middleware", "checked"),
    [
        (["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware", "shop.Health"], True),
        (["shop.Health", "django.middleware.common.CommonMiddleware"], False),
        (["django.middleware.security.SecurityMiddleware"], False),
        ([], False),
    ],
)
def test_who_refuses_other_hosts(site, middleware, checked):
    assert describe(site, MIDDLEWARE=middleware)["hosts_checked"] is checked


def test_an_application_without_django(site):
    assert site.document() == {} or "django.conf" in sys.modules


def test_a_whole_site(tmp_path):
    for folder in ("app/static", "images", "public", "collected"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "app/__init__.py").touch()
    program = textwrap.dedent("""
        import json, os, sys, types
        process = types.ModuleType("_gounicorn_process")
        process.SITE, process.MAX_PAYLOAD_FD = 44, 4 << 20
        sys.modules["_gounicorn_process"] = process
        from django.conf import settings
        from django.middleware.security import SecurityMiddleware
        class Stricter(SecurityMiddleware):
            pass
        def plain(get_response):
            return get_response
        settings.configure(
            DEBUG=True, SECRET_KEY="x", ROOT_URLCONF="__main__", ALLOWED_HOSTS=[".example.com"],
            INSTALLED_APPS=["django.contrib.staticfiles", "app"], STATIC_URL="static/", STATIC_ROOT="collected",
            STATICFILES_DIRS=[("img", "images"), "public"], MEDIA_ROOT="media", MEDIA_URL="media/",
            MIDDLEWARE=["__main__.Stricter", "__main__.plain", "whitenoise.middleware.WhiteNoiseMiddleware"],
            WHITENOISE_ROOT="public",
            SECURE_REFERRER_POLICY="no-referrer, same-origin", SECURE_HSTS_SECONDS=60, SECURE_SSL_REDIRECT=True,
            SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"), SECURE_REDIRECT_EXEMPT=["^open"],
        )
        urlpatterns = []
        from django.core.wsgi import get_wsgi_application
        from gounicorn import _site
        application = get_wsgi_application()
        settings.__dict__.pop("STATIC_URL", None)  # WhiteNoise has fixed it
        document = _site.document()
        print(json.dumps({**document, "frozen": [name for name in ("STATIC_URL", "MEDIA_URL") if name in settings.__dict__]}))
    """)
    environ = {"PYTHONPATH": str(PYTHON), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    here = str(tmp_path)
    assert found.pop("finders")[:3] == [["img", f"{here}/images"], ["", f"{here}/public"], ["", f"{here}/app/static"]]
    assert found.pop("security") == {
        "nosniff": True,
        "referrer_policy": "no-referrer,same-origin",
        "cross_origin_opener_policy": "same-origin",
        "hsts_seconds": 60,
        "hsts_include_subdomains": False,
        "hsts_preload": False,
        "ssl_redirect": True,
        "ssl_host": "",
        "redirect_exempt": ["^open"],
    }
    assert found == {
        "framework": "django",
        "debug": True,
        "static_url": "static/",
        "static_root": f"{here}/collected",
        "force_script_name": "",
        "media_url": "media/",
        "media_root": f"{here}/media",
        "staticfiles": True,
        "whitenoise": True,
        "whitenoise_root": f"{here}/public",
        "allowed_hosts": [".example.com"],
        "hosts_checked": False,
        "x_forwarded_host": False,
        "proxy_ssl_header": ["HTTP_X_FORWARDED_PROTO", "https"],
        "manifest": None,
        "problems": [],
        "frozen": [],
    }
