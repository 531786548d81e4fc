"""Shows what Python knows about itself; run as a script it prints the same, for comparison."""

import json
import os
import site
import sys
import sysconfig


def describe():
    return {
        "version": sys.version,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "exec_prefix": sys.exec_prefix,
        "base_executable": getattr(sys, "_base_executable", None),
        "path": [entry for entry in sys.path if entry not in ("", os.path.dirname(os.path.abspath(__file__)))],
        "flags": {name: getattr(sys.flags, name) for name in dir(sys.flags) if isinstance(getattr(sys.flags, name), int)},
        "site_packages": site.getsitepackages(),
        "user_site": site.ENABLE_USER_SITE,
        "purelib": sysconfig.get_path("purelib"),
        "filesystem_encoding": sys.getfilesystemencoding(),
        "stdio": [sys.stdout.encoding, sys.stderr.encoding, sys.stderr.errors],
        "sitecustomize": getattr(sys, "from_sitecustomize", None),
        "usercustomize": "usercustomize" in sys.modules,
        "hash_of_text": hash("text") if os.environ.get("PYTHONHASHSEED") else None,
        "modules": sorted(name for name in ("django", "flask", "wrapped_by") if _importable(name)),
    }


def _importable(name):
    import importlib.util

    return importlib.util.find_spec(name) is not None


def app(environ, start_response):
    body = json.dumps(describe()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    print(json.dumps(describe()))
