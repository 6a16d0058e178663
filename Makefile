# Headgate. `make` lists the targets; each may be called on a bare checkout.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed.stamp
CONSUMERS := .venv-consumers
CONSUMERS_INSTALLED := $(CONSUMERS)/installed.stamp
BENCH := .venv-bench
BENCH_INSTALLED := $(BENCH)/installed.stamp
# Not named in the recipes themselves: what names MAKE is run by `make -n`, too.
SUBMAKE = $(MAKE) --no-print-directory
TEST_HOME ?= $(CURDIR)/.headgate/test
# Tests mostly wait, so three run side by side, each with servers of its own; the names are pytest-xdist's.
WORKERS := gw0 gw1 gw2
COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

# Bytecode is compiled once at installation; a task process that compiles again costs seconds.
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV
# Another environment's settings must not leak into what is started here.
unexport PYTHONPATH

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

.PHONY: install
install: $(INSTALLED) ## Make the environment .venv and install RabbitMQ where it is missing and allowed
	@$(BIN)/headgate install || echo "go on without RabbitMQ; \`headgate up\` needs it"

.PHONY: demo
demo: install ## From nothing to rows in Postgres and a look around; DATA=dir takes real eGRID files
	@$(BIN)/headgate demo $(if $(DATA),--data "$(DATA)")

.PHONY: demo-apis
demo-apis: install ## Every dataset of the API sources from stub providers: rows, books, a correction
	@$(BIN)/headgate demo --apis

.PHONY: test
test: install $(CONSUMERS_INSTALLED) lint ## Everything, with real servers of its own; ends what it started
	@export HEADGATE_TEST_HOME="$(TEST_HOME)" HEADGATE_TEST_KEEP=1; \
	trap '$(SUBMAKE) test-down' EXIT; \
	$(BIN)/pytest -n $(words $(WORKERS)) $(PYTEST_ARGS); \
	for worker in $(WORKERS); do HEADGATE_HOME="$(TEST_HOME)-$$worker" $(BIN)/headgate up --only servers; done; \
	$(CONSUMERS)/bin/python -c 'import consumers'; \
	HEADGATE_TEST_SERVERS=running $(CONSUMERS)/bin/pytest -n $(words $(WORKERS)) -p no:cacheprovider \
	  tests/unit/test_message*.py tests/*/test_consumer*.py

.PHONY: faults
faults: install ## Drills: servers and processes killed, stopped and cut off under load; FAULTS="--only NAME"
	@trap '$(SUBMAKE) faults-down' EXIT; $(BIN)/python -m tests.faults $(FAULTS)

.PHONY: faults-down
faults-down: # End what killed drills left running
	@for home in .headgate/faults .headgate/faults-airflow; do \
	  if [ -x $(BIN)/headgate ]; then HEADGATE_HOME="$$home" $(BIN)/headgate down; fi; \
	done

.PHONY: test-down
test-down: faults-down # End what a killed test left running
	@for home in "$(TEST_HOME)" "$(TEST_HOME)"-* .headgate/acceptance* .headgate/bench-test; do \
	  if [ -x $(BIN)/headgate ] && [ -d "$$home" ]; then HEADGATE_HOME="$$home" $(BIN)/headgate down; fi; \
	done

.PHONY: bench
bench: install $(BENCH_INSTALLED) ## Speed, beside COPY by psql and other loaders; BENCH_ARGS="--quick", "--large", "--help"
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

.PHONY: bench-down
bench-down: # End what a killed benchmark left running
	@if [ -x $(BIN)/headgate ]; then HEADGATE_HOME=.headgate/bench $(BIN)/headgate down; fi

.PHONY: lint
lint: $(INSTALLED) ## ruff, mypy and import-linter
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: up
up: install ## Start the private stack
	@$(BIN)/headgate up

.PHONY: down
down: ## End the private stack; its data stays
	@if [ -x $(BIN)/headgate ]; then $(BIN)/headgate down; fi

.PHONY: clean
clean: down test-down bench-down ## End the private stack and remove its data, the environments and all caches
	rm -rf .headgate $(VENV) $(CONSUMERS) $(BENCH) build dist .*_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: lock
lock: $(BIN)/uv ## Resolve the lock files anew from pyproject.toml (UPGRADE=1 takes newer versions)
	$(BIN)/uv pip compile $(COMPILE) $(if $(UPGRADE),--upgrade) --extra dev -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(COMPILE) $(if $(UPGRADE),--upgrade) --extra bench -o requirements-bench.lock pyproject.toml
	$(BIN)/uv pip compile $(COMPILE) --extra consumers -c requirements.lock -o requirements-consumers.lock pyproject.toml

$(BIN)/uv:
	@source deploy/find-python.sh; "$$PYTHON" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/uv
	@echo "installing the environment $(VENV)"
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip sync --quiet --compile-bytecode requirements.lock
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

# Where Airflow and the data libraries are not installed: the consumers must run there.
$(CONSUMERS_INSTALLED): requirements-consumers.lock requirements.lock pyproject.toml | $(BIN)/uv
	@$(BIN)/python -m venv --without-pip $(CONSUMERS)
	@VIRTUAL_ENV="$(CURDIR)/$(CONSUMERS)" $(BIN)/uv pip sync --quiet requirements-consumers.lock
	@VIRTUAL_ENV="$(CURDIR)/$(CONSUMERS)" $(BIN)/uv pip install --quiet --no-deps --editable .
	@VIRTUAL_ENV="$(CURDIR)/$(CONSUMERS)" $(BIN)/uv pip install --quiet -c requirements.lock \
	  pytest pytest-timeout pytest-xdist hypothesis httpx
	@touch $@

# What Headgate is compared with need not agree with Airflow.
$(BENCH_INSTALLED): requirements-bench.lock | $(BIN)/uv
	@echo "installing the environment $(BENCH)"
	@$(BIN)/python -m venv --without-pip $(BENCH)
	@VIRTUAL_ENV="$(CURDIR)/$(BENCH)" $(BIN)/uv pip sync --quiet --compile-bytecode requirements-bench.lock
	@touch $@
