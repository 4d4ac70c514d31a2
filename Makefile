# The few words that run everything. Each sets up what it needs and is instant the second time.

PORT ?= 8000
PYTHON ?= python3

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Python comes from this machine; uv is never to fetch one.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

bin := .venv/bin
# Empty where the machine has a uv of its own; else ours, in a folder of its own, so that neither
# root nor the system's pip is touched.
own_uv := $(shell uv --version >/dev/null 2>&1 || echo .tools/uv/bin/uv)
uv := $(or $(own_uv),uv)
# Likewise Node, of the versions that Vite 8 runs on.
node_fits := const [a, b] = process.versions.node.split(".").map(Number); \
	process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)
own_node := $(shell node -e '$(node_fits)' >/dev/null 2>&1 && npm --version >/dev/null 2>&1 \
	|| echo .tools/node/bin/node)
npm := PATH="$(CURDIR)/.tools/node/bin:$$PATH" npm --prefix frontend

page := src/cityloop/web/static/index.html
frontend_sources := $(shell find frontend -type f -not -path '*/node_modules/*' 2>/dev/null)

.PHONY: help run run-scaled test test-all check types docs bench faults soak conformance lock clean setup chromium mosquitto postgresql objects

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: setup ## Hangzhou on http://127.0.0.1:$(PORT); Ctrl-C ends it
	@exec $(bin)/cityloop up examples/hangzhou --port $(PORT)

run-scaled: setup .tools/objects/.done ## the same on PostgreSQL, NATS, S3 and Ray, all on this machine
	@exec $(bin)/python -m scripts.run_scaled --port $(PORT)

test: setup chromium mosquitto postgresql .tools/clients/.done .tools/objects/.done ## the tests, but those marked slow
	@$(bin)/pytest -m "not slow"

test-all: setup chromium mosquitto postgresql .tools/clients/.done .tools/objects/.done ## every test
	@$(bin)/pytest

check: setup ## format, lint, types, layers, front end
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy
	@$(bin)/lint-imports --no-logo
	@$(npm) run --silent check

types: setup ## the API's types for the page, from the route table
	@$(bin)/python -m scripts.api_types

docs: .venv/.done ## the manual, into site/
	@$(bin)/zensical build --clean --strict

screenshots: setup chromium ## the pictures of the operator's guide, of a running city
	@$(bin)/python -m scripts.screenshots

# Power cuts take gcc: SHIM= leaves them out.
N ?= 200
STORE ?= sqlite
SHIM ?= 1
faults: setup ## kill a city N=200 times, on STORE=sqlite; into build/faults.json
	@$(bin)/python -m scripts.faults.kills --kills $(N) --store $(STORE) $(if $(SHIM),--shim)

OBSERVATIONS ?= 10000000
soak: setup ## a city under full load for OBSERVATIONS=10000000; into build/soak.json
	@$(bin)/python -m scripts.faults.soak --observations $(OBSERVATIONS)

conformance: setup mosquitto ## the ETSI NGSI-LD suite in SUITE=<checkout> against the broker
	@$(bin)/python -m scripts.conformance $(SUITE)

bench: setup ## every benchmark, into benchmarks/results/
	@for script in $$(grep -l __main__ benchmarks/*.py); do \
		echo "$$script"; $(bin)/python -m "benchmarks.$$(basename "$$script" .py)"; done

setup: .venv/.done $(page) ## what the others need

# Names, versions and hashes, and no host: installs from whatever index the machine is set up with.
# (uv.lock would write the address of every wheel into the repository.)
compile := $(uv) pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --upgrade

lock: $(own_uv) ## renew requirements.lock and those of the tools
	@$(compile) --all-extras --group dev --group servers -o requirements.lock pyproject.toml
	@$(compile) --group node -o requirements-node.lock
	@$(compile) --group clients -o requirements-clients.lock
	@$(compile) --group objects -o requirements-objects.lock

clean: ## everything made by make
	@rm -rf .venv .tools site dist $(dir $(page)) frontend/node_modules .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache .cache

.venv/.done: requirements.lock pyproject.toml | $(own_uv)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "cityloop needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version)." \
		"Name another: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Setting up Python packages (once; about 700 MB) …"
	@[ -x $(bin)/python ] || $(uv) venv -q --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	@$(uv) pip sync -q --python $(bin)/python --require-hashes requirements.lock
	@$(uv) pip install -q --python $(bin)/python --no-deps --no-build-isolation -e .
	@touch $@

.tools/uv/bin/uv:
	@echo "Setting up uv …"
	@$(PYTHON) -m venv .tools/uv >/dev/null 2>&1 && .tools/uv/bin/pip install -q 'uv>=0.5' || { \
		rm -rf .tools/uv; $(PYTHON) -m pip install -q --target .tools/uv 'uv>=0.5'; } || { \
		echo "uv cannot be installed: $(PYTHON) has neither venv nor pip" \
		"(Debian: apt-get install python3-venv)." >&2; exit 1; }

.tools/node/bin/node: requirements-node.lock | $(own_uv)
	@echo "Setting up Node (this machine has none that the front end builds with) …"
	@$(uv) venv -q --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .tools/node
	@$(uv) pip sync -q --python .tools/node/bin/python --require-hashes requirements-node.lock || { \
		echo "Node is missing and cannot be installed: install Node 20.19 or newer" \
		"(https://nodejs.org), then try again." >&2; exit 1; }
	@touch $@

.tools/clients/.done: requirements-clients.lock | $(own_uv)
	@echo "Setting up others' clients of the context broker, for the tests (once) …"
	@$(uv) venv -q --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .tools/clients
	@$(uv) pip sync -q --python .tools/clients/bin/python --require-hashes requirements-clients.lock
	@touch $@

objects: .tools/objects/.done # an S3-compatible object store, for a scaled city on one machine

.tools/objects/.done: requirements-objects.lock | $(own_uv)
	@echo "Setting up an object store, for the tests (once) …"
	@$(uv) venv -q --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .tools/objects
	@$(uv) pip sync -q --python .tools/objects/bin/python --require-hashes requirements-objects.lock
	@touch $@

frontend/node_modules/.done: frontend/package-lock.json | $(own_node)
	@echo "Setting up the front end (once) …"
	@$(npm) ci --silent --no-audit --no-fund
	@touch $@

$(page): frontend/node_modules/.done $(frontend_sources)
	@$(npm) run --silent build -- --logLevel warn

# For the browser tests; where it cannot be installed they skip and say so.
chromium:
	@command -v chromium >/dev/null || bash scripts/install_chromium

# Likewise the broker of the MQTT tests.
mosquitto:
	@PATH="$$PATH:/usr/sbin" command -v mosquitto >/dev/null || bash scripts/install_mosquitto

# Likewise PostgreSQL; without Debian's the tests run on that of a wheel, which has no PostGIS.
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || bash scripts/install_postgresql
