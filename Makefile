# The commands that people type. `make run` is all that a newcomer needs.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run test check bench calibration clean lock setup setup.aws spark
.PHONY: diagram mermaid obs.up obs.down lineage.up lineage.down dr.drill
.PHONY: check.infra infra.init infra.plan infra.apply infra.output infra.destroy

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements/setup.lock requirements/run.lock
STAMPS := .setup

# Compiled once at set-up; a run without bytecode takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## what can be typed here
	@awk -F ':.*## ' '/^[a-z.]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	@python ops/dashboard.py --check
	@python ops/diagram.py --check
	@python ops/costs.py --check
	@actionlint
	@said=$$(zizmor --offline --quiet .github) || { echo "$$said"; exit 1; }
	@hadolint infra/Dockerfile
	@git ls-files -z '*.sh' .ci | xargs -0 shellcheck
	@echo "check: all good"

bench: setup ## measure the pipeline against plain papermill, what signals cost, the ingest against DuckDB, imports, and Spark
	@failed=0; for part in overhead signals ingest gold spark; do python -m benchmarks.$$part || failed=1; done; exit $$failed
check.infra: $(STAMPS)/checkov ## Terraform's format, validity and tests, and checkov; needs terraform
	@sh infra/terraform.sh check

infra.init: ## once: the bucket for Terraform's state, and Terraform itself
	@sh infra/terraform.sh init

infra.plan: ## what an apply would change on AWS
	@sh infra/terraform.sh plan

infra.apply: ## do what was planned, or plan and ask
	@sh infra/terraform.sh apply

infra.output: ## what to type so that GitHub's workflows know what was made
	@sh infra/terraform.sh output

infra.destroy: ## take all of it down; see infra/README.md first
	@sh infra/terraform.sh destroy

TRIALS ?= 200

calibration: setup ## simulate trials with known effects, and see whether the models' intervals hold (docs/calibration.md)
	@python -m benchmarks.calibration --trials $(TRIALS)

diagram: setup mermaid ## draw ops/system-diagram.png (needs npm and Chromium)
	@python ops/diagram.py

obs.up: ## start the collector, Prometheus, Alertmanager, Loki, Jaeger and Grafana (needs Docker; ops/README.md)
	@sh ops/stack.sh up observability

obs.down: ## end them; what they stored stays
	@sh ops/stack.sh down observability

lineage.up: ## start Marquez and its page (needs Docker)
	@sh ops/stack.sh up lineage

lineage.down: ## end them; what they stored stays
	@sh ops/stack.sh down lineage

dr.drill: setup $(STAMPS)/dev ## lose the lake on a server in AWS's place, and restore it (needs terraform; ops/disaster-recovery.md)
	@python -m ops.drill

# The data lake that params.yaml names (docs/data-lake.md).
.PHONY: lake.push lake.pull lake.verify

lake.push: setup.aws ## put what is published in data/ into the data lake on S3
	@potato lake push

lake.pull: setup.aws ## get the study's newest push from there
	@potato lake pull

lake.verify: setup.aws ## compare the two, file by file
	@potato lake verify

# What workflows call besides run, test and check.
.PHONY: audit contracts metrics reproduce

audit: setup $(STAMPS)/dev ## ask the advisories' database about each version in the locks
	@for lock in requirements/*.lock; do pip-audit --disable-pip --require-hashes --requirement $$lock || exit 1; done

contracts: setup ## run the study in params.yaml up to silver, and hold the data against their contracts
	@dvc repro --quiet silver
	@potato validate

BASE ?= HEAD

metrics: setup ## say in Markdown how the metrics differ from those of the commit BASE, whose results have to be in DVC's cache
	@sh .ci/metrics "$(BASE)"

INTO ?=

reproduce: ## run in a fresh clone, in the folder INTO, and compare each byte with what dvc.lock accepts
	@sh .ci/reproduce $(INTO)

clean: ## remove what runs made; the environment and DVC's cache stay
	rm -rf _site runs drill.json mlflow.db mlruns data/bronze data/silver data/gold data/quarantine data/.staging data/.interactive

lock: setup ## resolve the versions again, after a change of the dependencies in pyproject.toml
	@sh requirements/lock.sh

setup: $(STAMPS)/run

setup.aws: setup $(STAMPS)/aws ## set up what runs and artifacts on AWS need besides (docs/mlflow-on-aws.md)

spark: setup $(STAMPS)/spark ## set up what `engine: spark` in params.yaml needs (docs/spark.md)

$(STAMPS)/venv: requirements/setup.lock
	@sh requirements/setup.sh venv "$(PYTHON)" "$(VENV)"
	@mkdir -p $(@D) && touch $@

$(STAMPS)/run: $(STAMPS)/venv requirements/run.lock pyproject.toml
	@sh requirements/setup.sh run "$(PYTHON)" "$(VENV)"
	@touch $@

$(STAMPS)/aws: $(STAMPS)/run requirements/aws.lock
	@sh requirements/setup.sh aws "$(PYTHON)" "$(VENV)"
	@touch $@

$(STAMPS)/checkov: $(STAMPS)/venv requirements/checkov.lock
	@sh requirements/setup.sh checkov "$(PYTHON)" "$(VENV)"
	@touch $@

$(STAMPS)/dev: $(STAMPS)/run requirements/dev.lock
	@sh requirements/setup.sh dev "$(PYTHON)" "$(VENV)"
	@touch $@

# Mermaid's command line would download a browser of its own; the system's does.
mermaid: $(STAMPS)/mermaid/node_modules/.bin/mmdc

$(STAMPS)/mermaid/node_modules/.bin/mmdc:
	@PUPPETEER_SKIP_DOWNLOAD=1 npm install --silent --no-audit --no-fund --prefix $(STAMPS)/mermaid @mermaid-js/mermaid-cli@12.2.0
$(STAMPS)/spark: $(STAMPS)/run requirements/spark.lock
	@sh requirements/setup.sh spark "$(PYTHON)" "$(VENV)"
	@touch $@
