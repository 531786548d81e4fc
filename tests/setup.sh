#!/bin/sh
# Makes build/test-venv, the virtual environment that the tests use, once; later runs return at once.
# PYTHON names the interpreter to base it on (default: python3 on PATH). Another environment: setup.sh FOLDER REQUIREMENTS.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
venv=${1:-$root/build/test-venv}
requirements=${2:-$root/tests/python/requirements.txt}
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9
stamp=$( { "$python" -c 'import sys; print(sys.version, sys.base_prefix)'; cat "$requirements"; } | sha256sum)
if [ -f "$venv/stamp" ] && [ "$(cat "$venv/stamp")" = "$stamp" ]; then
    exit 0
fi
rm -rf "$venv"
if ! "$python" -m venv "$venv"; then
    echo "tests/setup.sh: $python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
    exit 1
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
echo "$stamp" >"$venv/stamp"
