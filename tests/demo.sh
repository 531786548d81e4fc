#!/bin/sh
# Starts the demo site as `make demo` does, on a free port, and asks it what a visitor would. DEMO_PYTHON is the demo's interpreter.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
log=$(mktemp)
"$root/bin/gounicorn" --python "$DEMO_PYTHON" --chdir "$root/examples/contracts" --preload --workers 4 --bind 127.0.0.1:0 \
    --metrics-bind 127.0.0.1:0 contracts.wsgi:application 2>"$log" &
pid=$!
finish() {
    status=$?
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || { echo "demo: gounicorn ended with $?"; status=1; }
    [ "$status" -eq 0 ] || cat "$log"
    rm -f "$log" "$log.page"
    exit "$status"
}
trap finish EXIT
tries=0
until grep -q 'Ready: 4 workers' "$log"; do
    tries=$((tries + 1))
    kill -0 "$pid" && [ "$tries" -lt 600 ] || { echo "demo: not ready"; exit 1; }
    sleep 0.1 # the log is a file: there is no event to wait for
done
base=$(sed -n 's/.*Listening at: \(http:[^ ]*\).*/\1/p' "$log" | head -n 1)

ask() { # ask NAME PATH TEXT: the page must be 200 and contain the text
    curl -sS --max-time 60 -f -o "$log.page" "$base$2" && grep -aq -- "$3" "$log.page" || { echo "demo: $1 ($2) does not show $3"; exit 1; }
    echo "demo: $1"
}
ask "home page" / "C-20"
ask "login of the admin" /admin/login/ csrfmiddlewaretoken
ask "style sheet" /static/admin/css/base.css "body"
ask "JSON" /api/contracts.json '"number"'
ask "PDF of a contract" /contract/7/download "%PDF-1."
ask "live events" "/live/events?n=1" "event: end"
ask "race page" /race "PDF"

# What the server has learnt by now, asked as an operator would.
metrics=$(sed -n 's/.*Metrics at: http:\/\/\([^ /]*\).*/\1/p' "$log")
explain() { # explain NAME REQUEST TEXT
    "$root/bin/gounicorn" explain --metrics-bind "$metrics" "$2" >"$log.page" && grep -q -- "$3" "$log.page" || {
        cat "$log.page"; echo "demo: explain $2 does not show $3"; exit 1; }
    echo "demo: explain: $1"
}
# A route is judged by its first 8 requests here: one for each worker, as each is cold once, and 4 more.
for n in 1 2 3 4 5 6 7 8; do
    curl -sS --max-time 60 -f -o "$log.page" "$base/"
    curl -sS --max-time 60 -f -o "$log.page" "$base/contract/$n/download"
done
explain "the home page is fast" / "lane *fast"
explain "PDFs are slow, whichever" "GET /contract/12/download" "lane *slow"
explain "a page nobody has seen" "POST /nowhere" "never seen"
