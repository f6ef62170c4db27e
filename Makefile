# `make help` lists the targets. Everything is installed into .venv; everything made goes to build/ and dist/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Settings, given as `make TARGET NAME=VALUE`. Set with := so that a variable of the same name in the environment
# does not change what a target does; DATA and PYTHON are meant to come from outside.
CUSTOMERS := 5000
SEED := 7
# Without a moment, the demo stands at the end of the simulated data.
DEMO_AS_OF :=
DEMO_BUDGET := 500
DEMO_CONFIG := examples/demo.toml
REAL_AS_OF := 2011-09-01
REAL_BUDGET := 500
REAL_CONFIG := examples/online-retail-ii.toml
JOBS := 2
HTTP_PORT := 8000
UI_PORT := 5000
# Every script of benchmarks/ that can be run; the others are their parts.
BENCH := $(patsubst benchmarks/%.py,%,$(shell grep -l '^if __name__' benchmarks/*.py | grep -v -E '(feature_(steps|peers)|quality_peers|churn_speed_(steps|peers)|next_product_(peers|scale_peers|scale_steps))\.py'))
# What `make ui` and `make serve` open: one's own where there is one, else the real data's, else the demo's.
STORE := $(firstword $(wildcard mlflow.db build/real/mlflow.db build/demo/mlflow.db))
MODEL := $(or $(REGULARS_MODEL),$(firstword $(wildcard champion build/real/champion build/demo/champion)))

# The test processes share the cores, so within each one LightGBM and BLAS keep to one thread.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# Shared by `demo` and `real`: a folder of their own, as working directory, keeps their MLflow store apart from yours.
define job
unset MLFLOW_TRACKING_URI REGULARS_MODEL; \
regulars="$$PWD/$(BIN)/regulars"; \
run() { printf '\n[%3d s] regulars %s\n' "$$SECONDS" "$$*"; "$$regulars" "$$@"; }; \
finish() { printf '\n[%3d s] done. Everything is in %s:\n' "$$SECONDS" "$$1"; \
  printf '  %-16s %s\n' shop/ 'the tables' scores.parquet 'a row for every customer' \
    outreach.csv 'whom to contact, with what, and why' report.html 'the report: open it in a browser' \
    champion/ 'the model' mlflow.db 'runs and registry: `make ui` shows them'; }
endef

.PHONY: help setup setup-spark demo real ui serve test test-slow test-spark lint format bench lock wheel clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

setup: $(READY) ## .venv with everything in it (again, where the lock has changed)

$(READY): requirements.lock pyproject.toml
	@python=; for candidate in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo 'Regulars needs Python 3.11 or newer, and found none on the PATH; install it, or say where it is: make setup PYTHON=...' >&2; \
	  exit 1; \
	fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  echo "Making $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV); \
	fi
	@echo 'Installing what requirements.lock names (one to three minutes)'
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# PySpark is not part of the lock (nobody needs it who has no cluster); what it depends on keeps the lock's versions.
setup-spark: $(READY) ## PySpark beside it (400 MB to download), and Java where none is and it can be installed
	@if [ -z "$${JAVA_HOME:-}" ] && ! command -v java >/dev/null; then \
	  as_root=$$([ "$$(id -u)" = 0 ] || echo 'sudo -n'); \
	  install() { $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$$1"; }; \
	  if ! { $$as_root apt-get update -q && { install openjdk-17-jre-headless || install openjdk-21-jre-headless; }; }; then \
	    echo 'Spark needs Java 17 or newer, and it could not be installed: install it (Debian: openjdk-17-jre-headless)' >&2; \
	    exit 1; \
	  fi; \
	fi; \
	pins="$$(mktemp)"; trap 'rm -f "$$pins"' EXIT; \
	grep -oE '^[A-Za-z0-9._-]+==[^ ]+' requirements.lock > "$$pins"; \
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --constraint "$$pins" 'pyspark>=4.1'

demo: $(READY) ## the whole job on a simulated shop, into build/demo
	@$(job); \
	rm -rf build/demo; mkdir -p build/demo; cp $(DEMO_CONFIG) build/demo/regulars.toml; cd build/demo; \
	run simulate --customers $(CUSTOMERS) --seed $(SEED) --out shop; \
	run check shop; \
	run train shop --seed $(SEED) $(if $(DEMO_AS_OF),--as-of $(DEMO_AS_OF)); \
	run score shop $(if $(DEMO_AS_OF),--as-of $(DEMO_AS_OF)) --model champion --out scores.parquet; \
	run outreach shop --scores scores.parquet --budget $(DEMO_BUDGET) --seed $(SEED) --out outreach.csv; \
	run report shop --model champion --scores scores.parquet --budget $(DEMO_BUDGET) --seed $(SEED) --out report.html; \
	finish build/demo

real: $(READY) ## the same job on Online Retail II, into build/real: make real DATA=online_retail_II.csv.gz
	@if [ ! -f "$(DATA)" ]; then \
	  echo 'Say where the downloaded Online Retail II file is: make real DATA=path/to/online_retail_II.csv.gz' >&2; \
	  exit 2; \
	fi; \
	$(job); \
	rm -rf build/real; mkdir -p build/real; \
	run load online-retail-ii "$(DATA)" --out build/real/shop; \
	cp $(REAL_CONFIG) build/real/regulars.toml; cd build/real; \
	run check shop; \
	run train shop --as-of $(REAL_AS_OF) --seed $(SEED); \
	run score shop --as-of $(REAL_AS_OF) --model champion --out scores.parquet; \
	run outreach shop --scores scores.parquet --budget $(REAL_BUDGET) --seed $(SEED) --out outreach.csv; \
	run report shop --model champion --scores scores.parquet --budget $(REAL_BUDGET) --seed $(SEED) --out report.html; \
	run backtest shop --cutoff $(REAL_AS_OF) --json backtest.json --seed $(SEED); \
	finish build/real

ui: $(READY) ## MLflow in the browser (UI_PORT=5000, STORE=path/to/mlflow.db)
	@if [ -z "$(STORE)" ]; then echo 'There is no MLflow store yet: run `make demo` first, or say STORE=path/to/mlflow.db' >&2; exit 2; fi
	@mlflow="$$PWD/$(BIN)/mlflow"; cd "$(dir $(STORE))"; \
	"$$mlflow" ui --backend-store-uri "sqlite:///$(notdir $(STORE))" --port $(UI_PORT)

serve: $(READY) ## answer over HTTP (HTTP_PORT=8000, MODEL=path/to/champion)
	@if [ -z "$(MODEL)" ]; then echo 'There is no model yet: run `make demo` first, or say MODEL=path/to/champion' >&2; exit 2; fi
	$(BIN)/regulars serve --model "$(MODEL)" --port $(HTTP_PORT)

test: lint ## lint, then the quick tests
	$(PYTEST) -m 'not slow'

# An empty slow set (pytest's exit code 5) fails: the wheel's installation is always in it.
test-slow: $(READY) ## the tests that take long, the wheel's installation into an empty environment among them
	$(PYTEST) -m 'slow and not spark'

# One process: each would start a cluster of its own. Java compiles quickly, not well: the shops are small.
test-spark: $(READY) ## the tests on a local cluster of Spark; they skip where `make setup-spark` has not been
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1 $(BIN)/python -m pytest -m spark

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## the benchmarks, one after another, into build/bench (BENCH=features: that one alone)
	@mkdir -p build/bench; \
	for name in $(BENCH); do \
	  printf '\n== %s\n' "$$name"; \
	  $(BIN)/python "benchmarks/$$name.py" | tee "build/bench/$$name.txt"; \
	done

lock: $(READY) ## pin again after a change in pyproject.toml (UPGRADE=1 takes newer releases)
	$(BIN)/pip-compile $(if $(UPGRADE),--upgrade) pyproject.toml

wheel: $(READY) ## the wheel, into dist
	rm -rf build/lib build/bdist.* src/*.egg-info
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

clean: ## remove what was made, .venv excepted
	rm -rf build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
