# `make demo` and `make test` do all their set-up; everything they install for Python stays in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test unit check setup setup-dev lock clean

demo: setup
	@$(BIN)/moorage demo

test: check
	@$(BIN)/pytest

unit: setup-dev
	@$(BIN)/pytest -m "not kernel"

check: setup-dev
	@$(BIN)/ruff format --check -q src tests
	@$(BIN)/ruff check -q src tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# What it takes to run, and with the tools and clients that it takes to test.
setup: .venv/installed
	@scripts/system-packages

setup-dev: .venv/installed-dev
	@scripts/system-packages test

.venv/installed: requirements.txt pyproject.toml
	@scripts/python-packages $(PYTHON) requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt pyproject.toml
	@scripts/python-packages $(PYTHON) requirements-dev.txt
	@touch $@ .venv/installed

# Pins every package with its hashes; run it after a change of the dependencies in pyproject.toml.
LOCK := uv pip compile -q --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11
lock: setup
	@$(BIN)/pip install --quiet uv
	@$(BIN)/$(LOCK) --all-extras pyproject.toml -o requirements-dev.txt
	@$(BIN)/$(LOCK) --extra build -c requirements-dev.txt pyproject.toml -o requirements.txt

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
