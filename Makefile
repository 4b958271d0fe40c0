# Everything a person runs here; `make` alone prints the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3.11
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PYPROJECTS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml) training-jobs/pyproject.toml cli/pyproject.toml
MEMBERS := $(patsubst %/pyproject.toml,%,$(PYPROJECTS))
SETUP_DONE := $(VENV)/.isogloss-setup-done
NATIVE := libs/textmodels services/inference
NATIVE_SOURCES := libs/textmodels/hatch_build.py $(wildcard $(addsuffix /native/*,$(NATIVE)))

.PHONY: help setup demo test test-system lint-manifests render fuzz bench-scorer bench-rollouts bench-serving lint types check lock lock-peers clean

help: ## print these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SETUP_DONE) ## create .venv with everything pinned by hash (skipped while nothing changed)

$(SETUP_DONE): requirements-setup.txt requirements-dev.txt $(PYPROJECTS) $(NATIVE_SOURCES)
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not on the PATH: install Python 3.11, or name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "$(PYTHON) is not Python 3.11: name one with PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot create $(VENV): install its venv module (Debian: apt-get install python3.11-venv), or free some disk" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-setup.txt || { echo "pip could not fetch uv (requirements-setup.txt): is a package index reachable from here?" >&2; exit 1; }
	@echo "installing what requirements-dev.txt pins into $(VENV)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt || { echo "uv could not install requirements-dev.txt: is a package index reachable from here, and is there disk left?" >&2; exit 1; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@$(BIN)/python libs/textmodels/hatch_build.py $(NATIVE)
	@touch $(SETUP_DONE)

demo: setup ## from labelled reviews to a rollback, on this machine (ARGS=--down stops it)
	@$(BIN)/isogloss demo $(ARGS)

test: setup ## every test that needs no cluster
	@$(BIN)/python -m pytest $(ARGS)

test-system: setup ## tests that need more than Python: promtool, Helm, checkov, mlcroissant, skaffold's schema, KServe's clients, PostgreSQL
	@ISOGLOSS_SYSTEM=yes $(BIN)/python -m pytest tests/system $(ARGS)

lint-manifests: setup ## of test-system: charts, manifests/ and skaffold.yaml against schemas and policies
	@ISOGLOSS_SYSTEM=yes $(BIN)/python -m pytest tests/system/test_manifests.py tests/system/test_policies.py tests/system/test_skaffold.py $(ARGS)

render: setup ## write what is made from charts and code: schemas, tables of values, manifests/
	@$(BIN)/python scripts/policy_schema.py
	@$(BIN)/python scripts/chart_values.py
	@helm="$$(PYTHON=$(CURDIR)/$(BIN)/python tests/cluster/program.sh helm)"; $(BIN)/python scripts/render_manifests.py --helm "$$helm"

.PHONY: chaos
chaos: setup ## the rollout-controller killed between any two of its deeds, and each neighbour away in each Phase (benchmarks/results/chaos.md)
	@PYTHONPATH=benchmarks $(BIN)/python benchmarks/chaos.py $(ARGS)

fuzz: setup ## what is written in C under sanitizers, on random models, texts and packets (ARGS="--examples 100000")
	@for member in $(NATIVE); do $(BIN)/python scripts/sanitize.py $$member $(ARGS); done

.PHONY: fuzz-api
fuzz-api: setup ## the services' OpenAPI documents, asked of the services with many odd requests (EXAMPLES=300)
	@ISOGLOSS_FUZZ_EXAMPLES=$(or $(EXAMPLES),300) $(BIN)/python -m pytest services/*/tests/test_openapi.py -o timeout=3600 $(ARGS)

bench-scorer: setup ## what scoring a text costs, compiled and in scikit-learn
	@$(BIN)/python benchmarks/scorer.py $(ARGS)

.PHONY: bench-gates
bench-gates: setup ## how often the offline Gate is wrong, and what its bootstrap costs
	@$(BIN)/python benchmarks/gates.py $(ARGS)

bench-registry: setup ## what resolving a version and its 304 cost on one core, MLflow's alias beside it
	@$(BIN)/python benchmarks/registry.py $(ARGS)

.PHONY: bench-registry
bench-ledger: setup ## conflicting promotions, and a kill at every write, on SQLite and PostgreSQL (ARGS="--only kills")
	@$(BIN)/python benchmarks/ledger.py $(ARGS)

lint: setup ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## mypy, strict on every src
	@$(BIN)/mypy

check: lint types test ## all that a change must pass

bench-rollouts: setup ## how often the rules of live traffic are wrong, and how soon they are right
	@$(BIN)/python benchmarks/rollouts.py $(ARGS)

.PHONY: bench-drift
bench-drift: setup ## whether drift alarms mean something, on real texts, other rules beside ours (ARGS="--seeds 20")
	@OPENBLAS_NUM_THREADS=1 PYTHONPATH=benchmarks $(BIN)/python benchmarks/drift $(ARGS)

.PHONY: bench-rollbacks
bench-rollbacks: setup ## how fast users are away from a bad version, under load (benchmarks/results/rollbacks.md)
	@PYTHONPATH=benchmarks $(BIN)/python benchmarks/rollbacks $(ARGS)

.PHONY: bench-quality
bench-quality: setup ## whether what is said of quality is true: estimates, intervals, pages from labels (ARGS="--replays 100")
	@OPENBLAS_NUM_THREADS=1 PYTHONPATH=benchmarks:benchmarks/drift $(BIN)/python benchmarks/quality.py $(ARGS)

.PHONY: bench-ingest
bench-ingest: setup ## how many events the drift-monitor takes and counts on one core (ARGS="--events 10000000")
	@PYTHONPATH=benchmarks $(BIN)/python benchmarks/ingest $(ARGS)

bench-serving: setup ## our server beside others on one core (ARGS="--only tfidf", benchmarks/results/serving.md)
	@PYTHONPATH=benchmarks $(BIN)/python benchmarks/serving $(ARGS)

lock: setup ## renew every pinned requirements file
	@$(BIN)/python scripts/lock.py
	@for name in checkov clients mlcroissant; do $(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --custom-compile-command "make lock" tests/system/$$name.in -o tests/system/requirements-$$name.txt; done

lock-peers: setup ## renew what bench-serving and bench-drift install of others
	@for each in benchmarks/*/peers/*.in; do $(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --custom-compile-command "make lock-peers" "$$each" -o "$${each%.in}.txt"; done

clean: ## remove .venv and caches (not .isogloss: `isogloss down`, then delete it)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.isogloss/*' -prune -exec rm -rf {} +

.PHONY: images images-load
images: ## build the images, tell their sizes (NAMES="inference cli" DOCKER=docker REPOSITORY= REVISION=)
	@scripts/images.sh build $(NAMES)

images-load: ## build those that changed and load them into the test cluster (NAMES="inference cli")
	@scripts/images.sh load $(NAMES)
	@[ -n "$(NAMES)" ] || { tests/cluster/image.sh build localhost/postgresql:15 tests/cluster/postgresql && tests/cluster/image.sh load localhost/postgresql:15; }

# Real Kubernetes (tests/cluster/README.md): on this machine, or the cluster that KUBECONFIG names.
.PHONY: cluster-up cluster-down e2e bench-cluster
CLUSTER := $(CURDIR)/.isogloss/cluster

cluster-up: ## start the test cluster (WITH="monitoring metrics" adds these)
	@PYTHON=$(PYTHON) tests/cluster/up.sh $(WITH)

cluster-down: ## stop the test cluster and undo what it did to this machine
	@tests/cluster/down.sh

# Images are built while the cluster comes up: most of that is waiting.
define with-cluster
trap '$(MAKE) --no-print-directory cluster-down' EXIT; \
given="$${KUBECONFIG:-}"; export KUBECONFIG="$${given:-$(CLUSTER)/kubeconfig}"; \
export PATH="$(CLUSTER)/bin:$$PATH" KUBECACHEDIR="$(CLUSTER)/kubectl-cache"; \
loaded=images-load; [ "$$KUBECONFIG" = $(CLUSTER)/kubeconfig ] || loaded=; \
KUBECONFIG="$$given" $(MAKE) --no-print-directory -j2 cluster-up $$loaded
endef

e2e: setup ## the tests that need a cluster, from cluster-up to cluster-down (ARGS="-k mirror")
	@$(with-cluster) WITH="monitoring metrics"; \
	ISOGLOSS_E2E=yes $(BIN)/python -m pytest tests/cluster -m cluster -n 2 --dist loadscope --durations=25 $(ARGS)

bench-cluster: setup ## what Isogloss costs and bears on a cluster (ARGS="--only rollbacks", benchmarks/results/cluster.md)
	@$(with-cluster) WITH="monitoring metrics"; \
	export PYTHONPATH=benchmarks:tests/cluster/support; \
	$(BIN)/python benchmarks/cluster $(ARGS)
