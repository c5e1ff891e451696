# `make demo` and `make test` do all their set-up; everything they install for Python stays in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test unit check setup lock clean

demo: setup
	@$(BIN)/moorage demo

test: check
	@$(BIN)/pytest

unit: setup
	@$(BIN)/pytest -m "not kernel"

check: setup
	@$(BIN)/ruff format --check -q src tests
	@$(BIN)/ruff check -q src tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

setup: .venv/installed
	@scripts/system-packages

.venv/installed: requirements.txt pyproject.toml
	@scripts/python-packages $(PYTHON)
	@touch $@

# Pins every package with its hashes; run it after a change of the dependencies in pyproject.toml.
lock: setup
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile -q --all-extras --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	    --python-version 3.11 --no-build-isolation pyproject.toml -o requirements.txt

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
