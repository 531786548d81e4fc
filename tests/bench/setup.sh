#!/bin/sh
# Installs what the benchmarks take from the distribution, once: the load generators wrk and h2load, the peer nginx, Apache with its
# headers for the peer mod_wsgi, and libev for the peer bjoern. Everything else is made by bench.py itself under build/.
# Without root it only says which line to run. Without Apache or libev those peers are left out, and the report says so.
set -eu

packages=""
command -v wrk >/dev/null 2>&1 || packages="$packages wrk"
command -v h2load >/dev/null 2>&1 || packages="$packages nghttp2-client"
if ! command -v nginx >/dev/null 2>&1 && ! [ -x /usr/sbin/nginx ]; then
	packages="$packages nginx-light"
fi
if ! command -v apxs >/dev/null 2>&1; then
	packages="$packages apache2 apache2-dev"
fi
[ -e /usr/include/ev.h ] || packages="$packages libev-dev"
[ -n "$packages" ] || exit 0

line="apt-get install -y --no-install-recommends$packages"
if [ "$(id -u)" -ne 0 ]; then
	echo "the benchmarks need packages that are not installed; run:" >&2
	echo "    sudo $line" >&2
	exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "the benchmarks need these packages, and there is no apt-get here to install them:$packages" >&2
	exit 1
fi
# A freshly installed nginx or Apache must not take port 80: nothing here uses the distribution's services.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
$line >&2 || { apt-get update >&2 && $line >&2; }
