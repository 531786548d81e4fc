"""Prints what a program can see of its interpreter; run with python -c and loaded as an application, both must print the same."""

import json
import os
import sys

FLAGS = [name for name in dir(sys.flags) if not name.startswith(("_", "n_")) and name not in {"count", "index"}]


def describe():
    return {
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "exec_prefix": sys.exec_prefix,
        "base_exec_prefix": sys.base_exec_prefix,
        "base_executable": sys._base_executable,
        "path": [entry for entry in sys.path if entry not in {"", os.getcwd()}],
        "flags": {name: getattr(sys.flags, name) for name in FLAGS},
        "xoptions": {name: str(value) for name, value in sys._xoptions.items()},
        "warnoptions": sys.warnoptions,
        "encodings": [sys.getfilesystemencoding(), sys.stdout.encoding, sys.stdin.encoding, sys.stderr.errors],
        "site": sys.modules["site"].ENABLE_USER_SITE if "site" in sys.modules else None,
        "customized": getattr(sys, "customized", None),
        "dont_write_bytecode": sys.dont_write_bytecode,
        "platlibdir": sys.platlibdir,
        "environ": {name: value for name, value in os.environ.items() if name.startswith("GOUNICORN")},
    }


print(json.dumps(describe()), flush=True)


def application(environ, start_response):
    start_response("200 OK", [])
    return []
