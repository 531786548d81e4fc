#!/bin/sh
# Installs the load generator wrk and the peer nginx from the distribution, once. Everything else the benchmarks need is
# made by bench.py itself under build/. Without root it only says which line to run.
set -eu

packages=""
command -v wrk >/dev/null 2>&1 || packages="$packages wrk"
if ! command -v nginx >/dev/null 2>&1 && ! [ -x /usr/sbin/nginx ]; then
	packages="$packages nginx-light"
fi
[ -n "$packages" ] || exit 0

line="apt-get install -y --no-install-recommends$packages"
if [ "$(id -u)" -ne 0 ]; then
	echo "the benchmarks need packages that are not installed; run:" >&2
	echo "    sudo $line" >&2
	exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "the benchmarks need these programs, and there is no apt-get here to install them:$packages" >&2
	exit 1
fi
# A freshly installed nginx must not take port 80: nothing here uses the distribution's service.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
$line >&2 || { apt-get update >&2 && $line >&2; }
