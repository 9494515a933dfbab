# The commands of the README; each installs what it needs into .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check unit integration bench clean

demo: .venv/installed
	$(BIN)/vmbackup demo

test: check integration

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/core tests/plugins

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
