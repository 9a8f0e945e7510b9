# make help tells the targets. Everything is installed into .venv, nothing outside it.
#
#   make test PYTHON=python3.12          another interpreter (3.11 or newer) for .venv
#   make demo ACCELERATOR=cuda13         jax for a GPU; the choice is remembered until the next `make clean`
#   make test ARGS="-k fisher -x"        arguments for pytest
#   make test WORKERS=1                  processes that run tests; default one for each core, 8 at most
#   make requirements UPGRADE=1          newest versions that pyproject.toml allows, not only what changed
#
# uv reads UV_* variables (UV_DEFAULT_INDEX, UV_FIND_LINKS, ...), not pip's configuration.

PYTHON ?= $(or $(wildcard .venv/bin/python),python3)
ARGS ?=
CORES := $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
WORKERS ?= $(shell [ $(CORES) -gt 8 ] && echo 8 || echo $(CORES))
UPGRADE ?=

INSTALLED := $(shell cat .venv/.accelerator 2>/dev/null)
ACCELERATOR ?= $(or $(INSTALLED),cpu)
ACCELERATORS := cpu cuda12 cuda13 tpu
ifeq ($(filter $(ACCELERATOR),$(ACCELERATORS)),)
$(error ACCELERATOR is '$(ACCELERATOR)', expected one of: $(ACCELERATORS))
endif

BIN := .venv/bin
STAMP := .venv/.installed-$(ACCELERATOR)
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
INSTALL := $(BIN)/uv pip install --python $(BIN)/python
MINOR := import sys; print("%d.%d" % sys.version_info[:2])

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-slow test-peers notebooks lint format requirements clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' Makefile

venv: $(STAMP) ## .venv with the pinned requirements and alfi itself, editable

# A .venv made for another accelerator or another Python is made afresh; any other is completed.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("alfi needs Python 3.11 or newer, got %d.%d from $(PYTHON); try: make PYTHON=python3.12 $(MAKECMDGOALS)" % sys.version_info[:2])'
	@if [ -d .venv ] && { [ "$$($(BIN)/python -c '$(MINOR)')" != "$$($(PYTHON) -c '$(MINOR)')" ] \
		|| [ "$(or $(INSTALLED),$(ACCELERATOR))" != "$(ACCELERATOR)" ]; }; \
		then set -x; $(PYTHON) -m venv --clear .venv; else set -x; $(PYTHON) -m venv .venv; fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(INSTALL) -r requirements.txt
ifneq ($(ACCELERATOR),cpu)
	$(INSTALL) --constraints requirements.txt "jax[$(ACCELERATOR)]"
endif
	$(INSTALL) --no-deps --editable .
	@echo $(ACCELERATOR) > .venv/.accelerator
	@touch $@

demo: venv ## install what is needed, then run the quickstart experiment
	$(BIN)/python -m experiments.run quickstart

test: venv ## run the tests
	$(PYTEST) $(ARGS)

test-slow: venv ## run the long checks that `make test` leaves out
	$(PYTEST) -m slow $(ARGS)

# The peers bring torch, 5 GB with CUDA (UV_TORCH_BACKEND=cpu: without): in an environment of their own, so that .venv
# stays as it is pinned.
PEERS := .venv-peers

test-peers: $(PEERS)/.installed ## compare with other libraries of active learning, in .venv-peers (downloads torch)
	$(PEERS)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m peers tests/peers $(ARGS)

$(PEERS)/.installed: $(STAMP) requirements.txt pyproject.toml
	$(BIN)/python -m venv --clear $(PEERS)
	$(BIN)/uv pip install --python $(PEERS)/bin/python --constraints requirements.txt --editable ".[dev,peers]"
	@touch $@

notebooks: venv ## execute the notebooks and write them with their outputs: two minutes on 4 cores
	$(BIN)/python -m experiments.notebooks

lint: venv ## style, format and types; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: venv ## put the code in the house style
	$(BIN)/ruff check --fix-only --exit-zero .
	$(BIN)/ruff format .

requirements: venv ## compile requirements.txt anew from pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra dev pyproject.toml \
		-o requirements.txt --quiet $(if $(UPGRADE),--upgrade)

clean: ## remove .venv and every cache; results/ stays
	rm -rf .venv $(PEERS) .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
