#!/bin/sh
# Tests the demo site and the dashboard with a real browser, or runs what is named. DEMO_PYTHON is the demo's interpreter; screenshots go to
# build/screenshots/.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
: "${DEMO_PYTHON:?names the interpreter of the demo, which make demo-setup makes}"
requirements=$root/tests/python/browser/requirements.txt
venv=$root/build/browser-venv

sh "$root/tests/packages.sh" browser

if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    echo "browser: installing its requirements"
    rm -rf "$venv"
    "$DEMO_PYTHON" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/requirements.txt"
fi
export DEMO_PYTHON
[ $# -gt 0 ] || set -- "$root/tests/python/browser"
exec "$venv/bin/python" -m pytest -q --durations=0 --durations-min=0.5 "$@"
