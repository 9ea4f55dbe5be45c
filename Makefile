# Carboy's commands; `make help` lists them. Needs make and Python 3.11 or newer, nothing else.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes --no-deps
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"
CHECKS := check-format check-lint check-types check-floors check-security check-migrations

.DEFAULT_GOAL := help
.PHONY: help run dev test check $(CHECKS) format bench lock clean

# A virtual environment works only where it was made, and only while the Python it was made with is there.
ifneq ($(shell $(BIN)/python -c '' 2>/dev/null && cat $(VENV)/.made-in 2>/dev/null),$(CURDIR))
$(shell rm -f $(VENV)/.made-in)
endif

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.runtime ## Serve on http://127.0.0.1:8000 (HOST, PORT and all settings: environment or .env)
	@$(BIN)/flask serve $(ARGS)

dev: $(VENV)/.dev ## Serve, and start again whenever the code changes
	@$(BIN)/flask serve --reload $(ARGS)

test: $(VENV)/.dev ## Run all tests (ARGS=all: again on PostgreSQL and Redis; ARGS="embedded -- -k health": some)
	@$(BIN)/python -m tests.worlds $(ARGS)

check: $(CHECKS) ## Check format, lint, types, floors, security and migrations

check-format: $(VENV)/.dev
	@echo "check: format" && $(BIN)/ruff format --quiet --check . || { echo "run: make format" >&2; exit 1; }

check-lint: $(VENV)/.dev
	@echo "check: lint" && $(BIN)/ruff check --quiet .

check-types: $(VENV)/.dev
	@echo "check: types" && $(BIN)/mypy --no-error-summary

check-floors: $(VENV)/.dev
	@echo "check: floors" && $(BIN)/lint-imports --no-logo > $(VENV)/floors.log 2>&1 || { cat $(VENV)/floors.log; exit 1; }

check-security: $(VENV)/.dev
	@echo "check: security" && $(BIN)/bandit --quiet --recursive --configfile pyproject.toml app wsgi.py

check-migrations: $(VENV)/.dev
	@echo "check: migrations" && VAR_DIR=$$(mktemp -d) && export VAR_DIR DATABASE_URL= && trap 'rm -rf "$$VAR_DIR"' EXIT && \
		{ $(BIN)/flask db upgrade && $(BIN)/flask db downgrade base && $(BIN)/flask db upgrade; } > $(VENV)/migrations.log 2>&1 || \
		{ cat $(VENV)/migrations.log; exit 1; }
	@$(BIN)/python -m tests.migrations.gate || { echo "read: docs/migrations.md" >&2; exit 1; }

format: $(VENV)/.dev ## Format the code and repair what lint can repair
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: $(VENV)/.runtime ## Measure what is fast and what is not
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(VENV)/.dev ## Compile requirements*.txt from pyproject.toml (ARGS=--upgrade for newest versions)
	@$(LOCK) $(ARGS) --output-file requirements.txt
	@$(LOCK) $(ARGS) --extra dev --constraint requirements.txt --output-file requirements-dev.txt

clean: ## Remove what the tools made; var/, the data of `make run`, stays
	@rm -rf $(VENV) .coverage .coverage.* htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	@find app benchmarks migrations tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/.made-in:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Carboy needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
		echo "Install one and name it, for example: make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv --clear $(VENV)
	@echo '$(CURDIR)' > $@

# The pinned files name every package with its hashes, so pip has nothing to resolve (--no-deps).
$(VENV)/.runtime: requirements.txt $(VENV)/.made-in
	@echo "Installing the packages of requirements.txt, about a quarter of a minute the first time."
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt $(VENV)/.made-in
	@echo "Installing the packages of requirements-dev.txt, about half a minute the first time."
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime
