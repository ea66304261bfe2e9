# Everything that people and CI type. Needs make and Python 3.11 or newer; packages come from where pip is set to look.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := protos services/mesh services/ring services/bridge services/validator services/insight \
            clients/python clients/cli simulator deploy/local
SOURCES := $(PACKAGES) tests
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

# The shims of version managers exist also where they do not run: each candidate is tried.
FIND_PYTHON = for python in python3.12 python3.11 python3; do \
  if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
  then echo $$python; break; fi; done

.PHONY: help setup dev up test test-all check lint types proto-check bench prove prove-short generate lock clean

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

setup: $(VENV)/stack.stamp  ## Make the environment that `dataflow` runs in

dev: $(VENV)/dev.stamp  ## The same, with what tests and checks need

up: setup  ## Start the whole system on this machine; ARGS="--detach …"
	@$(BIN)/dataflow up $(ARGS)

$(VENV)/pyvenv.cfg:
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
	  echo "No working Python 3.11 or newer with venv was found (tried python3.12, python3.11, python3)." >&2; \
	  echo "On Debian or Ubuntu: sudo apt-get install -y python3 python3-venv" >&2; exit 1; fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV)

# A changed lock or package description makes its stamp old; nothing else is ever installed.
$(VENV)/stack.stamp: $(VENV)/pyvenv.cfg requirements/stack.lock $(PACKAGES:%=%/pyproject.toml)
	@echo "installing requirements/stack.lock"
	@$(PIP) install --require-hashes -r requirements/stack.lock
	@$(PIP) install --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

$(VENV)/dev.stamp: $(VENV)/stack.stamp requirements/dev.lock
	@echo "installing requirements/dev.lock"
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

# Quick and complete without other programs; -n 2 suits two cores.
test: dev  ## Unit, contract, integration and acceptance tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not node and not tool and not chaos" \
	  tests/unit tests/contracts tests/integration tests/acceptance $(ARGS)

test-all: dev  ## These, those that need node, mosquitto or grpcurl, and those that kill processes
	@$(BIN)/python -m pytest -n 2 --dist loadfile -rs --timeout 1200 \
	  tests/unit tests/contracts tests/integration tests/acceptance tests/chaos $(ARGS)

check: lint types proto-check  ## Lint, format, types, protos; what CI checks

lint: dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: dev
	@$(BIN)/mypy $(patsubst %,%/dataflow_*,$(filter-out protos,$(PACKAGES))) tests

proto-check: dev
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@$(BIN)/python protos/generate.py --check
	@tag=$$(git tag --list 'v*' --sort=-v:refname --merged HEAD 2>/dev/null | head -n 1); \
	if [ -n "$$tag" ]; then echo "buf breaking against $$tag"; $(BIN)/buf breaking --against ".git#tag=$$tag"; fi

bench: setup  ## Measure the running stack; ARGS="--json …"
	@$(BIN)/dataflow bench $(ARGS)

prove: dev  ## Break everything while a million messages arrive, and account for each; ARGS="--seed 1 ..."
	@$(BIN)/python -m tests.chaos.prove $(ARGS)

prove-short: dev  ## The same in a few minutes, and that the account can fail
	@$(BIN)/python -m pytest -p no:xdist --timeout 900 tests/chaos/test_prove.py tests/chaos/test_prove_mutants.py $(ARGS)

generate: dev  ## Generate protos/gen and .env.example anew
	@$(BIN)/buf format --write
	@$(BIN)/python protos/generate.py
	@$(BIN)/python -m dataflow_stack.env_example > .env.example

UV_COMPILE = compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock:  ## Resolve requirements/*.in anew into the locks (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: see https://docs.astral.sh/uv/getting-started/installation/" >&2; exit 1; }
	@cd requirements && uv pip $(UV_COMPILE) --upgrade dev.in -o dev.lock
	@cd requirements && uv pip $(UV_COMPILE) -c dev.lock stack.in -o stack.lock

clean:  ## Remove what was made, except data
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
