# Every target sets up what it needs in .venv, once; the system's Python is only used to make that.
# `make` alone tells the targets.

VENV := .venv
BIN := $(VENV)/bin
# A stamp is the time of an installation; it is done again when a version or a dependency has changed.
STAMPS := $(VENV)/stamps
# The first installation shows pip's progress; a later one only brings what has changed.
INSTALL = $(BIN)/python -m pip install $(if $(wildcard $@),--quiet) --constraint constraints.txt

PYTEST_ARGS ?=
SHELL_SCRIPTS := .ci/run scripts/docker-engine scripts/make-venv $(shell ls examples/*/*.sh examples/*/local_test/*.sh 2>/dev/null)
PYTHON_SCRIPTS := scripts/make-constraints examples/decision-trees/decision_trees/train examples/decision-trees/decision_trees/serve

# Clients of the local SageMaker, each in an environment of its own, as users have them.
CLIENTS := boto3 awscli s3fs sagemaker2 sagemaker3
CLIENT_boto3 := 'boto3>=1.40'
CLIENT_awscli := 'awscli>=1.40'
CLIENT_s3fs := 's3fs>=2025.1' pandas
CLIENT_sagemaker2 := 'sagemaker<3'
# What trains in `sagemaker>=3`, and what that imports; its other requirements, such as mlflow, are not used.
CLIENT_sagemaker3 := 'sagemaker-core>=2' 'graphene<4' jinja2
CLIENT_WITHOUT_DEPENDENCIES_sagemaker3 := sagemaker-train

.PHONY: help demo test test-clients test-distributed lint types docs bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(STAMPS)/examples ## train (through the API), serve and invoke both example containers, no Docker needed
	@command -v nginx >/dev/null || echo "nginx is not installed: the classic container is left out (apt-get install nginx, brew install nginx)"
	$(BIN)/seatrial demo

test: $(STAMPS)/test ## all tests; those that need a Docker engine are skipped when none answers
	$(BIN)/pytest --numprocesses auto --dist loadgroup $(PYTEST_ARGS)

test-clients: $(STAMPS)/test $(CLIENTS:%=$(STAMPS)/client-%) ## real clients train against the local SageMaker, both engines
	$(BIN)/pytest --numprocesses auto --dist loadgroup tests/e2e/clients $(PYTEST_ARGS)

test-distributed: $(STAMPS)/distributed ## PyTorch over several hosts, in an environment of its own: PyTorch is large
	$(VENV)-distributed/bin/python -m pytest -q -p no:cacheprovider tests/integration/runtime_training/test_torchrun.py

lint: $(STAMPS)/lint ## style, imports, dependencies, spelling, change fragments
	$(BIN)/ruff check . $(PYTHON_SCRIPTS)
	$(BIN)/ruff format --check . $(PYTHON_SCRIPTS)
	$(BIN)/lint-imports
	$(BIN)/deptry src
	$(BIN)/codespell
	$(BIN)/towncrier build --draft --version check >/dev/null
	@if command -v shellcheck >/dev/null; then set -x; shellcheck $(SHELL_SCRIPTS); \
	else echo "shellcheck is not installed: the shell scripts are not checked"; fi

types: $(STAMPS)/lint ## mypy --strict
	$(BIN)/mypy

docs: $(STAMPS)/docs ## the documentation in docs/_build/html, warnings are errors
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

bench: $(STAMPS)/test $(STAMPS)/bench ## the benchmarks, one after the other
	@set -e; for benchmark in benchmarks/*.py; do echo "== $$benchmark"; $(BIN)/python "$$benchmark"; done

clean: ## remove the virtual environment and everything that was built
	rm -rf $(VENV) $(VENV)-clients $(VENV)-distributed build dist docs/_build .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(STAMPS)/venv:
	@scripts/make-venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/base: pyproject.toml constraints.txt | $(STAMPS)/venv
	@echo "Installing Seatrial and what it needs in $(VENV); the first time may take a minute or two"
	$(INSTALL) --editable '.[all]'
	@touch $@

$(STAMPS)/examples $(STAMPS)/test $(STAMPS)/lint $(STAMPS)/docs $(STAMPS)/bench: $(STAMPS)/base
	@echo "Installing what 'make $(firstword $(MAKECMDGOALS))' needs in $(VENV); the first time may take a minute or two"
	$(INSTALL) --group $(@F)
	@touch $@

# Two installations at once would be in each other's way.
.NOTPARALLEL:

$(STAMPS)/client-%: Makefile | $(STAMPS)/venv
	scripts/make-venv $(VENV)-clients/$*
	$(VENV)-clients/$*/bin/python -m pip install --quiet --no-compile --upgrade $(CLIENT_$*)
	$(if $(CLIENT_WITHOUT_DEPENDENCIES_$*),$(VENV)-clients/$*/bin/python -m pip install --quiet --no-compile --upgrade --no-deps $(CLIENT_WITHOUT_DEPENDENCIES_$*))
	@touch $@

$(STAMPS)/distributed: pyproject.toml constraints.txt | $(STAMPS)/venv
	scripts/make-venv $(VENV)-distributed
	$(VENV)-distributed/bin/python -m pip install --quiet --constraint constraints.txt --editable . --group distributed
	@touch $@
