# The front door: `make demo` and `make test` install what is missing themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# MONAI Label needs older packages than the rest, so it has an environment of its own.
LABEL_VENV ?= .venv-label
LABEL_STAMP := $(LABEL_VENV)/.installed
MIN_VENV ?= .venv-min
SAMPLES := runs/label/studies
STUDIES ?= $(SAMPLES)
PORT ?= 8000

# $(call pip_install,PYTHON,ARGUMENTS): a gigabyte comes through the network, so what breaks off is tried again; pip keeps
# the files that were whole.
pip_install = for pause in 5 30 60 0; do \
		$(1) -m pip install --quiet $(2) && exit 0; \
		test $$pause = 0 || echo "The installation failed; it starts again in $$pause seconds." >&2; \
		sleep $$pause; \
	done; exit 1

.DEFAULT_GOAL := help
.PHONY: help install demo bench label label-install test test-fast test-long test-label test-trust soak test-min test-mutation coverage docs lint clean

help:
	@echo "make install    a virtual environment in $(VENV) with everything to develop"
	@echo "make demo       train plain and DeGIA networks on rendered hands, compare them (5 minutes on 2 cores)"
	@echo "make bench      the table of docs/performance.md; BASELINE=CHECKOUT compares with another build, DATA=FOLDER measures training too"
	@echo "make label      MONAI Label on http://127.0.0.1:$(PORT), on rendered radiographs or STUDIES=FOLDER"
	@echo "make test       the tests, but for those below (10 minutes on 2 cores)"
	@echo "make test-fast  the tests without the slow ones"
	@echo "make test-long  exports, several processes, a report of 10,000 images"
	@echo "make test-label the tests of the MONAI Label app against a real server, in an environment of its own"
	@echo "make test-trust damaged files, killed processes, full disks (6 minutes on 2 cores); make soak does an hour of it"
	@echo "make test-min   the fast tests with the lowest versions that setup.py allows, in an environment of its own"
	@echo "make test-mutation  which mutants the tests catch, see docs/quality.md; MODULES=FILE..., SAMPLE=N mutants of each"
	@echo "make coverage   which lines the tests of a package run, in started processes too; a quarter slower than make test"
	@echo "make docs       the documentation in docs/_build/html; runs its notebooks, examples and commands"
	@echo "make lint       format, lint and types"

install: $(STAMP)

$(STAMP): setup.py pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(call pip_install,$(BIN)/python,--upgrade pip)
	$(call pip_install,$(BIN)/python,--editable ".[dev]")
	touch $@

demo: $(STAMP)
	$(BIN)/python -m monai_degia.experiments demo

bench: $(STAMP)
	$(BIN)/python docs/benchmarks/speed.py --work_dir runs/bench $(if $(BASELINE),--baseline "$(BASELINE)") $(if $(DATA),--dataset_dir "$(DATA)")

label: $(LABEL_STAMP)
	test "$(STUDIES)" != "$(SAMPLES)" || $(LABEL_VENV)/bin/python -m monai_degia.label_app.store.sample_images $(SAMPLES)
	PATH="$(abspath $(LABEL_VENV))/bin:$$PATH" monailabel start_server --app monai_degia/label_app \
		--studies "$(STUDIES)" --host 127.0.0.1 --port $(PORT)

label-install: $(LABEL_STAMP)

$(LABEL_STAMP): setup.py
	test -x $(LABEL_VENV)/bin/python || $(PYTHON) -m venv $(LABEL_VENV)
	$(call pip_install,$(LABEL_VENV)/bin/python,--upgrade pip)
	$(call pip_install,$(LABEL_VENV)/bin/python,--editable ".[label]")
	touch $@

test: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not docs and not label and not long and not trust"

test-long: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m long

test-label: $(STAMP) $(LABEL_STAMP)
	$(BIN)/python -m pytest -q -m label

test-mutation: $(STAMP)
	nice -n 10 $(BIN)/python -W ignore tests/mutation/run.py $(if $(SAMPLE),--sample $(SAMPLE)) $(MODULES)

coverage: $(STAMP)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n 2 --dist worksteal -m "not docs and not label and not long and not trust" \
		tests/unit tests/properties tests/integration
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --show-missing --skip-covered

test-fast: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not docs and not label and not long and not trust"

test-trust: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m trust

# A hundred thousand damaged files, many kills, ten thousand steps.
soak: $(STAMP)
	MONAI_DEGIA_SOAK=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal -m trust

# The lowest versions that setup.py allows, in an environment of their own.
test-min:
	test -x $(MIN_VENV)/bin/python || $(PYTHON) -m venv $(MIN_VENV)
	$(call pip_install,$(MIN_VENV)/bin/python,--upgrade pip)
	$(call pip_install,$(MIN_VENV)/bin/python,--editable . --constraint tests/minimum_versions.txt pytest pytest-xdist h5py)
	$(MIN_VENV)/bin/python -m pytest -q -n 2 --dist worksteal -m "not slow and not docs and not label and not long and not trust" \
		tests/unit tests/properties --ignore tests/unit/label_app  # that has an environment of its own

docs: $(STAMP)
	rm -rf docs/api docs/_build
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m docs
	@echo "docs/_build/html/index.html"

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf build dist docs/_build docs/api *.egg-info .pytest_cache .mypy_cache .ruff_cache runs
