# Everything here runs in .venv, which is set up once from the locked requirements. Needs Python 3.11+ and make.
# Example: make test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell cat requirements/dev.txt pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint format unit slow rig storms faults faults-large bench lock docs clean

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

venv: $(READY) ## Set up .venv from the locked requirements

# pip checks every hash; the package itself is linked in, so that the tree is what runs.
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is older than 3.11; next: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.ready-*
	@touch $@

demo: $(READY) ## Lose a feed in a simulated heat wave, without PowerPlane and with it; needs no cluster
	@$(BIN)/powerplane demo

test: lint unit ## Format, lint, types, import rules and all tests but the slow ones

lint: $(READY) ## Format, lint, types and import rules
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "not slow and not rig"

slow: $(READY) ## The slower suites: packaging, scale, browser
	$(BIN)/python -m pytest -q -m "slow and not rig"

rig: $(READY) ## The tests on a real control plane; builds it with Go where it is not cached (9 minutes)
	$(BIN)/python -m pytest -q -m "rig and not storms and not faults" tests/rig

storms: $(READY) ## Storms of pods against every lock, and what takes minutes, on the same control plane (12 minutes)
	$(BIN)/python -m pytest -q -m "storms and not faults" tests/rig

faults: $(READY) ## What breaks while the operator moves pods, on the same control plane (45 minutes)
	$(BIN)/python -m pytest -q -m faults tests/rig

faults-large: $(READY) ## The same with 500 nodes and 5,000 pods (100 minutes)
	POWERPLANE_RIG_SIZE=large $(BIN)/python -m pytest -q -m faults tests/rig

format: $(READY) ## Format the code and mend what lint can mend
	$(BIN)/ruff format src tests
	$(BIN)/ruff check --fix src tests

bench: $(READY) ## Compare with other placements on generated clusters
	$(BIN)/python -m powerplane.bench

docs: $(READY) ## Write the generated reference pages and schemas again
	$(BIN)/python -m powerplane.cli.reference docs/reference/cli.md
	$(BIN)/python -m powerplane.adapters.schemas docs/reference/schemas
	$(BIN)/python -m powerplane.simulator.scenario_schema docs/reference/schemas
	$(BIN)/python -m powerplane.cli.crds deploy/crds docs/reference/objects.md
	$(BIN)/python -c 'from powerplane.models.catalogue import load_catalogue as load; \
	  from powerplane.models.catalogue_page import catalogue_page as page; print(page(load()), end="")' \
	  > docs/reference/catalogue.md
	$(BIN)/python -c 'from powerplane.models.telemetry.metrics_page import metrics_page as page; print(page(), end="")' \
	  > docs/reference/metrics.md

lock: $(READY) ## Resolve the requirements again, with hashes
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) --group build -c requirements/runtime.txt -o requirements/build.txt
	$(LOCK) pyproject.toml --group dev -c requirements/runtime.txt -c requirements/build.txt -o requirements/dev.txt

clean: ## Remove .venv, caches and built files
	rm -rf $(VENV) build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
