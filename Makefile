# The commands that people type. `make run` is all that a newcomer needs.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run test check bench calibration clean lock setup spark

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements/setup.lock requirements/run.lock
STAMPS := .setup

# Compiled once at set-up; a run without bytecode takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## what can be typed here
	@awk -F ':.*## ' '/^[a-z.]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## set up, run the pipeline on the study in params.yaml, and say where the report is
	@potato doctor --quiet
	@dvc repro
	@echo "The report: $(CURDIR)/_site/index.html"

test: setup $(STAMPS)/dev ## set up what tests need, and run them
	@pytest

check: setup $(STAMPS)/dev ## lint, types, spelling and the project's own rules, in seconds
	@ruff check --quiet || { echo "type: $(BIN)/ruff check --fix"; exit 1; }
	@ruff format --check --quiet || { echo "type: $(BIN)/ruff format"; exit 1; }
	@mypy
	@typos || { echo "correct the spelling, or add the word to [tool.typos] in pyproject.toml"; exit 1; }
	@echo "check: all good"

bench: setup ## measure the pipeline against plain papermill, the ingest against DuckDB, what imports cost gold, and Spark against DuckDB
	@failed=0; for part in overhead ingest gold spark; do python -m benchmarks.$$part || failed=1; done; exit $$failed

TRIALS ?= 200

calibration: setup ## simulate trials with known effects, and see whether the models' intervals hold (docs/calibration.md)
	@python -m benchmarks.calibration --trials $(TRIALS)

clean: ## remove what runs made; the environment and DVC's cache stay
	rm -rf _site runs mlflow.db mlruns data/bronze data/silver data/gold data/quarantine data/.staging data/.interactive

lock: setup ## resolve the versions again, after a change of the dependencies in pyproject.toml
	@sh requirements/lock.sh

setup: $(STAMPS)/run

spark: setup $(STAMPS)/spark ## set up what `engine: spark` in params.yaml needs (docs/spark.md)

$(STAMPS)/venv: requirements/setup.lock
	@sh requirements/setup.sh venv "$(PYTHON)" "$(VENV)"
	@mkdir -p $(@D) && touch $@

$(STAMPS)/run: $(STAMPS)/venv requirements/run.lock pyproject.toml
	@sh requirements/setup.sh run "$(PYTHON)" "$(VENV)"
	@touch $@

$(STAMPS)/dev: $(STAMPS)/run requirements/dev.lock
	@sh requirements/setup.sh dev "$(PYTHON)" "$(VENV)"
	@touch $@

$(STAMPS)/spark: $(STAMPS)/run requirements/spark.lock
	@sh requirements/setup.sh spark "$(PYTHON)" "$(VENV)"
	@touch $@
