# Sets itself up in .venv from pyproject.toml and constraints.txt, and again whenever either changes.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-slow bench bench-result docs docs-open lint vulnerabilities format clean

demo: $(READY)
	$(BIN)/oversight-gym train --method routing --oversight 0.1 --seed 0 --run-dir runs/demo --overwrite
	$(BIN)/oversight-gym evaluate runs/demo

# One process more than there are cores, because some tests wait for windows, servers and killed programs.
test: lint
	$(BIN)/pytest -m "not slow" -n $$($(BIN)/python -c 'import os; print(os.cpu_count() + 1)') --dist worksteal

test-slow: $(READY)
	$(BIN)/pytest -m slow --timeout 3600

bench: $(READY)
	$(BIN)/python scripts/bench

bench-result: $(READY)
	$(BIN)/python scripts/bench result

# Notebooks are executed. Every core executes, reads and writes pages.
docs: .venv/.docs
	$(BIN)/python -m sphinx -b html -j auto -W --keep-going -q docs build/docs
	@echo "build/docs/index.html"

docs-open: docs
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory build/docs

.venv/.docs: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/lint.py

# Needs pip-audit in .venv and an index that knows advisories; says so where they are missing.
vulnerabilities: $(READY)
	$(BIN)/python scripts/vulnerabilities.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "oversight-gym needs Python 3.11 or newer; name one with make PYTHON=python3.12"; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	-@$(BIN)/python -m compileall -qq -j 0 .venv/lib  # what pip would do on one core
	@touch $@

clean:
	rm -rf .venv build docs/_generated *.egg-info .pytest_cache .mypy_cache \
	  .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
