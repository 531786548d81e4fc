#!/bin/sh
# Installs the programs that tests run beside gounicorn and that come from the distribution, once: nginx as a front, slowhttptest as an
# attacker, h2load as many clients of HTTP/2, curl and openssl. Without root, or elsewhere than on Debian, it says what to install.
set -eu
packages=""
command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] || packages="$packages nginx-light"
command -v slowhttptest >/dev/null 2>&1 || packages="$packages slowhttptest"
command -v h2load >/dev/null 2>&1 || packages="$packages nghttp2-client"
command -v curl >/dev/null 2>&1 || packages="$packages curl"
command -v openssl >/dev/null 2>&1 || packages="$packages openssl"
[ -n "$packages" ] || exit 0
line="apt-get install -y --no-install-recommends$packages"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "the tests need packages that are not installed; on Debian run: sudo $line" >&2
    exit 1
fi
# A freshly installed nginx must not take port 80: the tests start their own.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
$line >&2 || { apt-get update >&2 && $line >&2; }
