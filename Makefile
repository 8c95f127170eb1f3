# Everything a checkout needs. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

BIN := .venv/bin
READY := .venv/.ready
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install -qq --no-deps
UV ?= uv
LOCKS := requirements/lock.txt requirements/torch.txt requirements/torch-cuda.txt

# Without an NVIDIA GPU the build of torch without CUDA is tried first; `make setup TORCH=cuda` or `TORCH=cpu` decides.
TORCH ?= $(if $(shell command -v nvidia-smi),cuda,cpu)

.PHONY: help setup demo test docs lint lock bench clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with every pinned library (about three minutes, once)

# `.installing` stays behind when an install is cut off: pip could take a half-copied library for whole,
# so the next setup starts from nothing.
$(READY): $(LOCKS) requirements/torch-cpu.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "error: setup needs Python 3.11, found '$(PYTHON)' ($$("$(PYTHON)" --version 2>&1 || true))" >&2; \
	  echo "remedy: install it, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@if [ -e .venv/.installing ] || ! $(BIN)/python -c 'import sys; assert sys.version_info[:2] == (3, 11)' 2>/dev/null; \
	  then rm -rf .venv; "$(PYTHON)" -m venv .venv; fi
	@rm -f $(READY); touch .venv/.installing
	@echo "setup 1/3: pinned libraries (about two minutes)"
	@$(PIP) --require-hashes -r requirements/lock.txt
	@echo "setup 2/3: torch ($(TORCH))"
	@if [ "$(TORCH)" != cpu ] || ! $(PIP) --require-hashes -r requirements/torch-cpu.txt 2>/dev/null; then \
	  echo "setup 2/3: torch as its index offers it"; $(PIP) --require-hashes -r requirements/torch.txt; fi
	@if $(BIN)/python -c 'import importlib.metadata as m, sys; sys.exit(not any("nvidia" in r for r in m.requires("torch")))'; \
	  then echo "setup 2/3: CUDA libraries of this build of torch"; $(PIP) --require-hashes -r requirements/torch-cuda.txt; fi
	@echo "setup 3/3: polymart itself"
	@$(PIP) --no-build-isolation -e . 2>.venv/install.log || { cat .venv/install.log >&2; exit 1; }
	@mv .venv/.installing $(READY)

demo: $(READY) ## Run the whole chain on suites/quick.yaml
	@$(BIN)/polymart run suites/quick.yaml

test: $(READY) ## Run the tests; ARGS="-k name" chooses some
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile $(ARGS)

docs: $(READY) ## Write the generated README of each component
	@$(BIN)/python -m components.readme

lint: $(READY) ## Check style, types and which room imports which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# One resolution, written to three files: torch and what only its CUDA build needs stand apart from the rest
# (nvidia-ml-py, the reader of GPU counters, belongs to the rest).
lock: ## Resolve pyproject.toml again; UPGRADE=--upgrade takes newer releases
	@command -v $(UV) >/dev/null || { echo "error: lock needs uv" >&2; echo "remedy: pip install uv" >&2; exit 1; }
	@mkdir -p work; cat $(LOCKS) > work/lock.txt; printf 'pip\nsetuptools\n' > work/build.in
	@$(UV) pip compile --quiet pyproject.toml work/build.in --extra dev --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate $(UPGRADE) --output-file work/lock.txt >/dev/null
	@rm -f work/lock-*.txt
	@awk '/^[^ ]/ {part = /^torch==/ ? "torch" : /^(nvidia|cuda)-|^triton==/ && !/^nvidia-ml-py==/ ? "torch-cuda" : "lock"} \
	  {print > ("work/lock-" part ".txt")}' work/lock.txt
	@for part in lock torch torch-cuda; do mv "work/lock-$$part.txt" "requirements/$$part.txt"; done

bench: $(READY) ## Run every benchmark in its small size
	@for file in bench/[a-z]*.py; do \
	  name=$$(basename "$$file" .py); echo "== bench.$$name"; $(BIN)/python -m "bench.$$name" --small; done

clean: ## Delete work/ and caches; downloaded data stays
	@rm -rf work .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## Delete .venv as well
	@rm -rf .venv *.egg-info
