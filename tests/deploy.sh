#!/bin/sh
# Checks the files under deploy/ with the tools that read them. Installs promtool and systemd-analyze from the distribution if they are missing.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
missing=""
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
if [ -n "$missing" ]; then
    line="apt-get install -y --no-install-recommends$missing"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "deploy: run: sudo $line" >&2
        exit 1
    fi
    echo "deploy: $line"
    # A freshly installed Prometheus must not start: only its checker is used.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    $line >/dev/null 2>&1 || { apt-get update >/dev/null && $line >/dev/null; } || { echo "deploy: failed: $line" >&2; exit 1; }
fi
exec "$root/build/test-venv/bin/python" -m pytest -q "$root/tests/deploy"
