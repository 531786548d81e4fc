#!/bin/sh
# Makes the environments of the differential suite, once; later runs return at once.
#
#   build/differential-venv   the applications and their libraries; no gunicorn in it
#   build/gunicorn-venv       gunicorn, and by a path file everything of the other one
#   build/peers-venv          the other servers of the migration page; nginx is taken from Debian
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$here/../.." && pwd)/build
sh "$here/../setup.sh" "$build/differential-venv" "$here/requirements.txt"
sh "$here/../setup.sh" "$build/gunicorn-venv" "$here/gunicorn.txt"
site='import sysconfig; print(sysconfig.get_path("purelib"))'
"$build/differential-venv/bin/python" -c "$site" >"$("$build/gunicorn-venv/bin/python" -c "$site")/differential.pth"
sh "$here/../setup.sh" "$build/peers-venv" "$here/peers.txt"
sh "$here/../packages.sh" differential
