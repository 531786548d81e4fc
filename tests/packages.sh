#!/bin/sh
# Installs the programs of the distribution that tests and benchmarks run, once: tests/packages.sh [GROUP...], by default those of the
# end-to-end tests. Without root, or elsewhere than on Debian, it says what to install.
set -euf

# group, what is looked for (a command, or a file by its path), package
table() {
    cat <<'END'
e2e           nginx                              nginx-light
e2e           slowhttptest                       slowhttptest
e2e           h2load                             nghttp2-client
e2e           curl                               curl
e2e           openssl                            openssl
e2e           systemd-socket-activate            systemd
e2e           strace                             strace
deploy        promtool                           prometheus
deploy        systemd-analyze                    systemd
browser       chromium                           chromium
browser       chromedriver                       chromium-driver
differential  nginx                              nginx-light
hosts         haproxy                            haproxy
hosts         redis-server                       redis-server
hosts         psql                               postgresql
hosts         /usr/lib/postgresql/*/bin/postgres postgresql
hosts         ip                                 iproute2
hosts         mount                              mount
bench         wrk                                wrk
bench         h2load                             nghttp2-client
bench         nginx                              nginx-light
bench         apxs                               apache2
bench         apxs                               apache2-dev
bench         /usr/include/ev.h                  libev-dev
END
}

# here WHAT: whether the machine has it; many users have no sbin on their PATH.
here() {
    case $1 in
    */*) (set +f && ls $1 >/dev/null 2>&1) ;; # may be a pattern
    *) command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] ;;
    esac
}

missing=""
for group in "${@:-e2e}"; do
    found=$(table | awk -v group="$group" '$1 == group { print $2 "=" $3 }')
    [ -n "$found" ] || { echo "packages: no group $group" >&2; exit 2; }
    for pair in $found; do
        here "${pair%%=*}" || missing="$missing ${pair#*=}"
    done
done
[ -n "$missing" ] || exit 0
# Another stage may be installing.
line="apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600$missing"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "packages: the tests need what is not installed; on Debian run: sudo $line" >&2
    exit 1
fi
echo "packages: $line" >&2
# What is freshly installed must not start: the tests run their own.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
$line >/dev/null 2>&1 || { apt-get update >/dev/null && $line >&2; } || { echo "packages: failed: $line" >&2; exit 1; }
