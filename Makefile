# gounicorn: everything a new machine needs is installed by these targets, once; run them as often as you like.
#
#   make demo              the demo site on http://127.0.0.1:8000
#   make test              the whole suite
#   make build PYTHON=...  both binaries, the worker for that interpreter

SHELL      := /bin/sh
TOOLCHAIN  := deploy/toolchain.sh
# PYTHON is passed by hand: $(shell) does not see what stands on make's command line.
GO         ?= $(or $(shell PYTHON='$(PYTHON)' $(TOOLCHAIN) go),$(error no Go))
PY          = $(or $(shell PYTHON='$(PYTHON)' $(TOOLCHAIN) python),$(error no Python))
BIN        ?= bin
VERSION    := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
LDFLAGS    := -s -w -X main.version=$(VERSION)
PORT       ?= 8000
DEMO       := examples/contracts
DEMO_VENV  := build/demo-venv
TEST_VENV  := build/test-venv
TOOLS      := build/tools
export GOFLAGS ?= -buildvcs=false
export GOTOOLCHAIN ?= local

.DEFAULT_GOAL := help
.PHONY: help build demo demo-setup test check bench hostile soak pgo gen fuzz clean race e2e unit python-tests sanitize tools

help: ## this list
	@echo "make targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

build: ## bin/gounicorn and bin/gounicorn-worker, runnable from anywhere (PYTHON=/path/to/python chooses the interpreter, BIN=folder another place)
	@PYTHON='$(PYTHON)' $(TOOLCHAIN) system
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/gounicorn ./cmd/gounicorn
	@ln -sf gounicorn $(BIN)/gounicornc
	$(PY) python/cgoflags.py $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/gounicorn-worker ./cmd/gounicorn-worker

demo-setup: build
	@test -x $(DEMO_VENV)/bin/python || $(PY) -m venv $(DEMO_VENV)
	@cmp -s $(DEMO)/requirements.txt $(DEMO_VENV)/requirements.txt || { \
		echo "demo: installing its requirements" && \
		$(DEMO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(DEMO)/requirements.txt && \
		cp $(DEMO)/requirements.txt $(DEMO_VENV)/requirements.txt; }
	@cd $(DEMO) && ../../$(DEMO_VENV)/bin/python manage.py migrate --verbosity 0 && \
		../../$(DEMO_VENV)/bin/python manage.py fill && \
		../../$(DEMO_VENV)/bin/python manage.py collectstatic --noinput --verbosity 0

demo: demo-setup ## the demo site: a real Django project on http://127.0.0.1:8000 (PORT=... for another port)
	@printf '\n  Open  http://127.0.0.1:%s/       the contracts (log in as demo, password demo)\n        http://127.0.0.1:%s/race   ten PDFs beside a home page that stays fast\n        http://127.0.0.1:%s/admin/ the admin\n  Stop with ^C.\n\n' $(PORT) $(PORT) $(PORT)
	@exec bin/gounicorn --python $(DEMO_VENV)/bin/python --chdir $(DEMO) --preload --workers 4 --bind 127.0.0.1:$(PORT) \
		--access-logfile - contracts.wsgi:application

# Each stage of the suite is one line of progress; the first failure ends it.
STAGE = @printf '\n=== %s\n' "$$(date +%T) $(1)"
,     := ,
# What needs one processor runs two at a time; each prints what it has to say when it has ended.
TWO   = $(MAKE) --no-print-directory --jobs=2 --output-sync=target

test: ## the whole suite: set-up, format, vet, unit and race tests, fuzz seconds, Python, C under ASan, end to end, interpreters
	$(call STAGE,[1/6] build)
	@$(MAKE) --no-print-directory build
	$(call STAGE,[2/6] format and vet)
	@$(MAKE) --no-print-directory vet
	$(call STAGE,[3/6] unit tests with the race detector$(,) generated files)
	@$(MAKE) --no-print-directory unit
	$(call STAGE,[4/6] fuzz targets for a second each)
	@$(MAKE) --no-print-directory fuzz
	$(call STAGE,[5/6] end to end with real processes and frameworks)
	@$(MAKE) --no-print-directory e2e
	$(call STAGE,[6/6] pip install$(,) the demo site in a browser$(,) Python tests$(,) the worker's C under AddressSanitizer$(,) the other interpreters of this machine)
	@$(TWO) install-test demo-test python-tests sanitize interpreters
	@printf '\n=== %s all stages passed\n' "$$(date +%T)"

.PHONY: vet venv demo-test screenshots differential interpreters install-test
vet:
	@test -z "$$($(dir $(GO))gofmt -l cmd prefork pyworker python server tests wsgi)" || { $(dir $(GO))gofmt -l cmd prefork pyworker python server tests wsgi; echo "run gofmt -w on these files"; exit 1; }
	CGO_ENABLED=0 $(GO) vet ./...
	$(PY) python/cgoflags.py $(GO) vet -trimpath ./pyworker/ ./cmd/gounicorn-worker/

venv:
	@PYTHON=$(PY) sh tests/setup.sh

# Packages whose tests need no worker; pyworker and tests/e2e start real ones.
UNIT = ./cmd/gendocs/... ./cmd/gounicorn/... ./prefork/... ./python/... ./server/... ./wsgi/... ./tests/arch/... ./tests/bench/load/... ./tests/bench/transport/... ./tests/httpcases/...

unit:
	CGO_ENABLED=1 $(GO) test -race -timeout 10m $(UNIT)

race: unit

fuzz: ## every fuzz target for FUZZTIME (default 1s)
	@GO=$(GO) sh tests/fuzz.sh $(or $(FUZZTIME),1s)

python-tests: build venv
	$(TEST_VENV)/bin/python -m pytest -q python/tests tests/bench
	$(TEST_VENV)/bin/python -m pytest -q tests/python --ignore=tests/python/serve --ignore=tests/python/browser
	$(TEST_VENV)/bin/python -m pytest -q tests/python/serve
	@sh tests/packages.sh deploy
	$(TEST_VENV)/bin/python -m pytest -q tests/deploy

sanitize: venv
	PYTHON=$(TEST_VENV)/bin/python sh tests/python/serve/run_asan.sh

e2e: venv
	@sh tests/packages.sh e2e
	GOUNICORN_REQUIRE_PYTHON=1 PYTHON=$(PY) $(PY) python/cgoflags.py $(GO) test -trimpath -timeout 10m ./pyworker/...
	$(GO) test -count=1 -timeout 12m -parallel 6 ./tests/harness/... ./tests/e2e/... ./tests/faults/... ./tests/grid/... ./tests/hostile/... ./tests/machine/... ./tests/static/...

differential: build ## gunicorn and gounicorn started alike, everything that can be seen of them compared
	PYTHON=$(PY) sh tests/differential/setup.sh
	timeout 900 build/differential-venv/bin/python -m pytest -q tests/differential

interpreters: ## the worker on every other CPython from 3.11 on, of the PATH and of pyenv
	GO=$(GO) PYTHON=$(PY) sh tests/interpreters.sh

install-test: venv ## pip install into fresh environments of every interpreter
	$(TEST_VENV)/bin/python -m pytest -q tests/install

demo-test: demo-setup
	cd $(DEMO) && ../../$(DEMO_VENV)/bin/python manage.py test --verbosity 1
	DEMO_PYTHON=$(CURDIR)/$(DEMO_VENV)/bin/python sh tests/demo.sh
	DEMO_PYTHON=$(CURDIR)/$(DEMO_VENV)/bin/python sh tests/browser.sh

screenshots: demo-setup ## the pictures of the dashboard in docs/images (two minutes of load; needs chromium)
	DEMO_PYTHON=$(CURDIR)/$(DEMO_VENV)/bin/python sh tests/browser.sh tests/python/browser/pictures.py

tools: venv
	@test -x $(TOOLS)/golangci-lint || { echo "check: building golangci-lint" && mkdir -p $(TOOLS) && \
		cd tests/tools && GOBIN=$(CURDIR)/$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint; }

check: vet tools ## formatting, vet with and without cgo, golangci-lint, ruff, race tests
	PATH="$(patsubst %/,%,$(dir $(GO))):$$PATH" $(PY) python/cgoflags.py $(TOOLS)/golangci-lint run --timeout 10m ./...
	$(TEST_VENV)/bin/python -m ruff format --check .
	$(TEST_VENV)/bin/python -m ruff check .
	GO=$(GO) sh tests/deploy/lint.sh
	@$(MAKE) --no-print-directory unit

bench: build ## the benchmark beside eight other servers (BENCH="--only hello" for a part, "--write" for the report); 70 minutes in full
	@sh tests/packages.sh bench
	$(PY) tests/bench/bench.py $(BENCH)

.PHONY: hosts
hosts: build ## three hosts in network namespaces behind HAProxy, with PostgreSQL and Redis, updated and killed under load (as root, two minutes)
	PYTHON=$(PY) $(GO) test -count=1 -timeout 10m ./tests/hosts

hostile: build venv ## a page beside 1,250 slow clients and without them, in turns: its p99 must not double; the long runs of the faults (five minutes)
	@sh tests/packages.sh e2e
	$(GO) test -count=1 -timeout 10m -run '^$$' -bench . ./tests/hostile
	GOUNICORN_FAULTS=long $(GO) test -count=1 -timeout 20m -parallel 4 -bench . -benchtime 1x ./tests/faults

MINUTES ?= 5
soak: build venv ## minutes of kills, reloads, upgrades, hangs and bad clients: losses, mix-ups and leaks are counted (MINUTES=30 for a night)
	$(GO) test -count=1 -timeout 0 -v ./tests/soak -args -minutes $(MINUTES)

pgo: ## measure a mixed load anew for the compiler: cmd/gounicorn/default.pgo (needs wrk and a quiet machine)
	@mkdir -p build/pgo
	CGO_ENABLED=0 $(GO) build -pgo=off -o build/pgo/gounicorn ./cmd/gounicorn
	cp $(BIN)/gounicorn-worker build/pgo/
	$(PY) tests/bench/pgo.py build/pgo/gounicorn cmd/gounicorn/default.pgo

gen: ## rewrite the generated files
	$(GO) run ./cmd/gendocs

clean: ## remove what the targets above made
	rm -rf bin build
