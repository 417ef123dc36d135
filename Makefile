# `make run` and `make test` are all a newcomer needs; both make `.venv` themselves.
# PYTHON=/path/to/python3.12 picks the interpreter, ARGS="..." reaches the command behind run, bench and schema.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet
NODE_DIR := tests/interop
CODE := gateway schema resolvers permissions clinical sandbox scripts tests bench examples

.PHONY: run test check bench schema release-schema setup setup-test setup-node lock lock-node sbom format clean
.DELETE_ON_ERROR:

run: setup
	$(BIN)/clinical-gateway sandbox $(ARGS)

test: setup-node check
	$(BIN)/python -m pytest $(ARGS)

check: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/clinical-gateway schema --check
	$(BIN)/python -m pytest -q tests/house

bench: setup-test
	$(BIN)/python -m bench $(ARGS)

# Rewrites schema/schema.graphql; `make check` compares.
schema: setup
	$(BIN)/clinical-gateway schema $(ARGS) > schema/schema.graphql.new
	mv schema/schema.graphql.new schema/schema.graphql

# At a release: what clients are promised until the next one (tests/house/test_schema_changes.py).
release-schema: setup
	$(BIN)/python -m scripts.released_schema

# ---------------------------------------------------------------- environment

setup: .venv/.runtime-ready
setup-test: .venv/.test-ready
setup-node: $(NODE_DIR)/node_modules/.ready

.venv/.runtime-ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

.venv/.test-ready: requirements-test.lock .venv/.runtime-ready
	$(PIP) --require-hashes -r requirements-test.lock
	touch $@

$(NODE_DIR)/node_modules/.ready: $(NODE_DIR)/package-lock.json .venv/.test-ready
	$(BIN)/python scripts/node.py npm ci --prefix $(NODE_DIR)
	touch $@

# ---------------------------------------------------------------- upkeep

# UPGRADE=1 takes the newest versions that pyproject.toml allows; else only what changed there moves.
lock: setup-test
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group build -o requirements.lock
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group build --extra test -c requirements.lock -o requirements-test.lock
	$(MAKE) sbom

lock-node: setup-test
	$(BIN)/python scripts/node.py npm install --package-lock-only --prefix $(NODE_DIR)

sbom: setup-test
	$(BIN)/python scripts/sbom.py

format: setup-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .sandbox build *.egg-info $(NODE_DIR)/node_modules .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
