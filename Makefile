# The front door: `make demo` and `make test` install what is missing themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast lint clean

help:
	@echo "make install    a virtual environment in $(VENV) with everything to develop"
	@echo "make demo       train plain and DeGIA networks on rendered hands, compare them (5 minutes on 2 cores)"
	@echo "make test       all tests (10 minutes on 2 cores)"
	@echo "make test-fast  the tests without the slow ones"
	@echo "make lint       format, lint and types"

install: $(STAMP)

$(STAMP): setup.py pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/python -W ignore -m monai_degia.experiments demo

test: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-fast: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache runs
