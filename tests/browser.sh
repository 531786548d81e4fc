#!/bin/sh
# Tests the demo site with a real browser. DEMO_PYTHON is the demo's interpreter; screenshots go to build/screenshots/.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
: "${DEMO_PYTHON:?names the interpreter of the demo, which make demo-setup makes}"
requirements=$root/tests/python/browser/requirements.txt
venv=$root/build/browser-venv

missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v chromedriver >/dev/null 2>&1 || missing="$missing chromium-driver"
if [ -n "$missing" ]; then
    line="apt-get install -y --no-install-recommends$missing"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "browser: run: sudo $line" >&2
        exit 1
    fi
    echo "browser: $line"
    export DEBIAN_FRONTEND=noninteractive
    $line >/dev/null 2>&1 || { apt-get update >/dev/null && $line >/dev/null; } || { echo "browser: failed: $line" >&2; exit 1; }
fi

if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    echo "browser: installing its requirements"
    rm -rf "$venv"
    "$DEMO_PYTHON" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/requirements.txt"
fi
export DEMO_PYTHON
exec "$venv/bin/python" -m pytest -q --durations=0 --durations-min=0.5 "$root/tests/python/browser" "$@"
