# Needs Python 3.11 or newer with its venv module, git and make; no root. Everything it makes lies in .venv and .evergreen.

UV_VERSION := 0.13.8
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
TOOLS := .venv/tools
UV := $(TOOLS)/bin/uv
export UV_PYTHON_DOWNLOADS := never
SYNC := $(UV) pip sync --quiet --python $(BIN)/python --require-hashes
# Without bytecode every process compiles what it imports again where the machine forbids writing it: 1.2 s of 3.5 s.
# Not of the libraries' own tests, a sixth of it; 16 packages a process, for handing out file after file (compileall -j)
# takes as long again.
COMPILE := cd .venv/lib/python3*/site-packages && find . -mindepth 1 -maxdepth 1 -print0 | \
	xargs -0 -n 16 -P "$$(getconf _NPROCESSORS_ONLN)" ../../../bin/python -m compileall -q \
	-x '/tests/'
COMPILE_OURS := $(BIN)/python -m compileall -q dags plugins pipelines
EDITABLE := $(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-package nvidia-nccl-cu12 \
	--custom-compile-command "make lock"
# zc-lockfile names setuptools and does not use it; MLflow draws, runs projects in Docker and queues jobs with the others.
LOCK_TASKS := $(LOCK) $(addprefix --no-emit-package ,setuptools \
	docker skops prettytable) requirements-tasks.txt
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
GIT_SHA = $(shell git describe --always --abbrev=40 --dirty)
TAG ?= local
# For `make images`, where set: another BASE, the NETWORK of the build (host), XGBOOST=gpu.
IMAGE_ARGS = $(if $(BASE),--build-arg BASE=$(BASE)) $(if $(NETWORK),--network=$(NETWORK)) \
	$(if $(XGBOOST),--build-arg XGBOOST=$(XGBOOST)) --build-arg VERSION=$(VERSION) --build-arg GIT_SHA=$(GIT_SHA)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help env dev demo up down stack stack-down stack-demo test test-seeds coverage test-machine test-stack test-faults lint bench lock images clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

env: .venv/.env-done ## the environment: .venv from requirements.lock, every package checked by its hash
dev: .venv/.dev-done ## the environment with what tests and lint need

demo: env ## the story: real flights, two retrainings in Airflow, champion against challenger
	@$(BIN)/evergreen demo

up: env ## start Airflow and MLflow on loopback
	@$(BIN)/evergreen up

down: ## stop them
	@if [ -x $(BIN)/evergreen ]; then $(BIN)/evergreen down; else echo "nothing is installed, so nothing runs"; fi

# Compose v2 where Docker has it, else docker-compose 1.29.
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
SOCKET = $(or $(EVERGREEN_DOCKER_SOCKET),/var/run/docker.sock)
export EVERGREEN_DOCKER_GID ?= $(shell stat -c %g $(SOCKET) 2>/dev/null || echo 0)

stack: env ## the stack in containers: Postgres, S3, MLflow, Airflow; makes images and secrets that are missing
	@for image in evergreen-tasks evergreen-airflow; do docker image inspect $$image:local >/dev/null 2>&1 || \
	  { $(MAKE) images; break; }; done
	@$(BIN)/evergreen stack-secrets
	@$(COMPOSE) up --detach --no-build
	@$(BIN)/evergreen stack-wait

stack-down: ## stop it; the volumes stay
	@$(COMPOSE) --profile celery down

stack-demo: stack ## the story of `make demo` on the stack
	@$(BIN)/evergreen stack-lake
	@$(COMPOSE) run --rm demo

# What waits for Airflow comes first (tests/conftest.py): one process more than there are processors.
PYTEST = -m pytest -n $$(( $$(nproc) < 8 ? $$(nproc) + 1 : 8 )) --dist loadscope --no-loadscope-reorder \
	-m "not matrix" $(ARGS)

test: dev ## every test that needs no root; ARGS="tests/dags -k form" for some
	@$(BIN)/python $(PYTEST)

# Of the day, by default; the same seed draws the same.
SEED = $(shell date +%Y%m%d)

test-seeds: dev ## property tests with other examples, five times as many; SEED=; what it finds becomes an @example of its test
	@echo "SEED=$(SEED)"; $(BIN)/python $(PYTEST) -m hypothesis --hypothesis-profile=seeds --hypothesis-seed=$(SEED)

coverage: dev ## the same with the coverage of pipelines/, in the processes that tests start too: 1.7 times as slow
	@$(BIN)/coverage erase; $(BIN)/coverage run $(PYTEST); status=$$?; \
	$(BIN)/coverage combine --quiet; $(BIN)/coverage report; exit $$status

ROOT = @[ "$$(id -u)" = 0 ] || { echo "this starts a Docker engine and real servers: run it as root on Debian"; exit 1; }
STACK = $(ROOT); \
	$(BIN)/python -m pytest $(if $(findstring tests/,$(ARGS)),,$(1)) --timeout 1200 -o timeout_func_only=true \
	--capture=tee-sys --durations=20

test-machine: dev ## packages, Docker engine and images that test-stack would make first
	$(ROOT); PYTHONPATH=tests $(BIN)/python -m stack.machine.prepare

test-stack: dev ## the containers on real servers, as root on Debian; ARGS="tests/stack/test_story.py" for some
	$(call STACK,tests/stack) -m "not matrix" $(ARGS)

test-faults: dev ## there, everybody killed at every moment, and S3 away for longer than is waited (an hour)
	$(call STACK,tests/stack tests/faults/test_kills.py) -m "kills or matrix" $(ARGS)

lint: dev ## ruff, strict types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: env ## measured comparisons, into benchmarks/results/; ARGS="--only help real" for some
	@$(BIN)/python -m benchmarks.run $(ARGS)

lock: $(UV) ## compile requirements*.txt anew into requirements*.lock
	$(LOCK) requirements.txt -o requirements.lock
	$(LOCK) requirements-dev.txt -o requirements-dev.lock
	$(LOCK_TASKS) -o requirements-tasks.lock
	$(LOCK_TASKS) --no-emit-package xgboost-cpu requirements-tasks-gpu.txt -o requirements-tasks-gpu.lock
	$(LOCK) requirements-airflow.txt -o requirements-airflow.lock

images: ## both container images, evergreen-tasks and evergreen-airflow; TAG=, BASE=, NETWORK=host, XGBOOST=gpu
	docker build $(IMAGE_ARGS) --target tasks --tag evergreen-tasks:$(TAG) .
	docker build $(IMAGE_ARGS) --target airflow --tag evergreen-airflow:$(TAG) .

clean: ## remove .venv and caches; .evergreen, with your data and models, stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* *.egg-info

$(UV):
	@if [ -z "$(PYTHON)" ]; then \
	  echo "Evergreen needs Python 3.11 or newer, and none was found: install it, or name it: make PYTHON=/path/to/python3.11"; \
	  exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Evergreen needs Python 3.11 or newer; $(PYTHON) is older: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "installing uv $(UV_VERSION)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.env-done: requirements.lock pyproject.toml | $(UV)
	@echo "installing what requirements.lock names (about 1.6 GB)"
	@$(SYNC) requirements.lock
	@$(EDITABLE)
	@$(COMPILE)
	@$(COMPILE_OURS)
	@touch $@

.venv/.dev-done: .venv/.env-done requirements-dev.lock
	@echo "installing what requirements-dev.lock names"
	@$(SYNC) requirements.lock requirements-dev.lock
	@$(EDITABLE)
	@$(COMPILE)
	@touch $@
