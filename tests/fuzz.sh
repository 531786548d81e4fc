#!/bin/sh
# Runs every fuzz target of the repository for the given time each: tests/fuzz.sh 4s
set -eu
time=${1:-4s}
go=${GO:-go}
grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
    sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | sort -u | while read -r target; do
        printf '%-28s %s\n' "$dir" "$target"
        CGO_ENABLED=0 "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel 2 "$dir" >/tmp/fuzz.$$ 2>&1 </dev/null || { cat /tmp/fuzz.$$; exit 1; }
        rm -f /tmp/fuzz.$$
    done
done
