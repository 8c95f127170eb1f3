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

# torch 2.13.0+cpu for CPython 3.11 on Linux x86-64. It lies on no ordinary index, so that uv cannot find it; where pip
# is pointed at it, it stands in for the CUDA build of the same release, which is 4 GB larger.
TORCH_CPU_SHA256 := 6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b

.PHONY: help setup demo test lint lock bench clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with every pinned library (about three minutes, once)

# `.installing` stays behind when an install is cut off: pip could take a half-copied library for whole,
# so the next setup starts from nothing.
$(READY): $(LOCKS) pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "error: setup needs Python 3.11, found '$(PYTHON)' ($$("$(PYTHON)" --version 2>&1 || true))" >&2; \
	  echo "remedy: install it, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@if [ -e .venv/.installing ] || ! $(BIN)/python -c 'import sys; assert sys.version_info[:2] == (3, 11)' 2>/dev/null; \
	  then rm -rf .venv; "$(PYTHON)" -m venv .venv; fi
	@rm -f $(READY); touch .venv/.installing
	@echo "setup 1/3: pinned libraries (about two minutes)"
	@$(PIP) --require-hashes -r requirements/lock.txt
	@echo "setup 2/3: torch"
	@$(PIP) --require-hashes -r requirements/torch.txt
	@if $(BIN)/python -c 'import importlib.metadata as m, sys; sys.exit(not any("nvidia" in r for r in m.requires("torch")))'; \
	  then echo "setup 2/3: CUDA libraries of this build of torch"; $(PIP) --require-hashes -r requirements/torch-cuda.txt; fi
	@echo "setup 3/3: polymart itself"
	@$(PIP) --no-build-isolation -e .
	@mv .venv/.installing $(READY)

demo: $(READY) ## Run the whole chain on suites/quick.yaml
	@$(BIN)/polymart run suites/quick.yaml

test: $(READY) ## Run the tests; ARGS="-k name" chooses some
	@$(BIN)/python -m pytest $(ARGS)

lint: $(READY) ## Check style, types and which room imports which
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# One resolution, written to three files: torch and what only its CUDA build needs stand apart from the rest.
lock: ## Resolve pyproject.toml again; UPGRADE=--upgrade takes newer releases
	@command -v $(UV) >/dev/null || { echo "error: lock needs uv" >&2; echo "remedy: pip install uv" >&2; exit 1; }
	@mkdir -p work; cat $(LOCKS) | grep -v $(TORCH_CPU_SHA256) > work/lock.txt; printf 'pip\nsetuptools\n' > work/build.in
	@$(UV) pip compile --quiet pyproject.toml work/build.in --extra dev --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate $(UPGRADE) --output-file work/lock.txt >/dev/null
	@rm -f work/lock-*.txt
	@awk '/^[^ ]/ {part = /^torch==/ ? "torch" : /^(nvidia|cuda)-|^triton==/ ? "torch-cuda" : "lock"} \
	  {print > ("work/lock-" part ".txt")} \
	  /^torch==/ {print "    --hash=sha256:$(TORCH_CPU_SHA256) \\" > ("work/lock-" part ".txt")}' work/lock.txt
	@for part in lock torch torch-cuda; do mv "work/lock-$$part.txt" "requirements/$$part.txt"; done

bench: $(READY) ## Run every benchmark in its small size
	@for file in bench/[a-z]*.py; do \
	  name=$$(basename "$$file" .py); echo "== bench.$$name"; $(BIN)/python -m "bench.$$name" --small; done

clean: ## Delete work/ and caches; downloaded data stays
	@rm -rf work .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## Delete .venv as well
	@rm -rf .venv *.egg-info
