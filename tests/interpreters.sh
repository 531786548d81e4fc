#!/bin/sh
# Builds a worker for every other CPython from 3.11 on that this machine has (on the PATH, or with pyenv) and runs the worker's tests,
# part of the serve loop's and some end-to-end tests against it. PYTHON is the main interpreter, whose version is not repeated.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
go=${GO:-go}
main=${PYTHON:-python3}
workers=$root/build/workers
mkdir -p "$workers"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

candidates() {
    for minor in 11 12 13 14 15; do
        command -v "python3.$minor" || true
    done
    if command -v pyenv >/dev/null 2>&1; then
        for path in "$(pyenv root)"/versions/3.*/bin/python; do
            [ -x "$path" ] && echo "$path"
        done
    fi
}

# describe PYTHON prints what it is: version, a name for its build, the interpreter itself.
describe() {
    "$1" -c 'import sys, sysconfig; print("%d.%d" % sys.version_info[:2], sysconfig.get_config_var("SOABI") or "?", sys.executable)' 2>/dev/null
}

set -- $(describe "$main")
seen=" $2 "
echo "interpreters: $2 is covered by the other stages"
candidates >"$work/candidates"
while read -r candidate; do
    what=$(describe "$candidate") || continue # the shim of a version manager for a version that is not active
    set -- $what
    version=$1 abi=$2 python=$3
    case $version in
    2.* | 3.[0-9] | 3.10)
        echo "interpreters: skipped $abi: older than 3.11"
        continue
        ;;
    esac
    case $seen in *" $abi "*) continue ;; esac
    if ! "$python" python/cgoflags.py --json >"$work/flags" 2>&1; then
        echo "interpreters: skipped $abi: $(tail -n 1 "$work/flags")"
        continue
    fi
    seen="$seen$abi "
    echo "interpreters: $abi: worker, serve loop, end to end"
    "$python" python/cgoflags.py "$go" build -trimpath -o "$workers/gounicorn-worker-$version" ./cmd/gounicorn-worker
    GOUNICORN_REQUIRE_PYTHON=1 PYTHON="$python" "$python" python/cgoflags.py "$go" test -trimpath -count=1 -vet=off -timeout 5m ./pyworker/ </dev/null
    venv=$workers/venv-$version
    if [ ! -x "$venv/bin/pytest" ]; then
        "$python" -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(sed -n '/^pytest==/p' tests/python/requirements.txt)" \
            "$(sed -n 's/^\(Werkzeug==[0-9.]*\).*/\1/p' tests/python/requirements.txt)"
    fi
    GOUNICORN_TEST_LEAK_ROUNDS=100 "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/python/serve \
        -k "not test_leaks and not sparse" </dev/null
    GOUNICORN_WORKER="$workers/gounicorn-worker-$version" GOUNICORN_TEST_PYTHON="$venv/bin/python" \
        "$go" test -count=1 -timeout 5m -parallel 6 ./tests/e2e -run "$(tr -d '\n ' <<'TESTS'
^Test(Environ|Input|LegalResponses|BrokenApplications|TermDrains|PreloadImportsOnce|KilledZygote|DyingWorker|ThreadsServe|
WorkerIsLike)
TESTS
)" </dev/null
done <"$work/candidates"
