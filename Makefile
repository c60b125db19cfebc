# Two commands matter: `make demo` runs the main comparison, `make test` runs every fast check. Both set up first.
PYTHON ?= python3
BIN := .venv/bin
FOLDERS := envs agents surrogates conf experiments

# One thread a process: several processes share the cores, and small networks are slower with more.
export OMP_NUM_THREADS ?= 1
export PYBAMM_DISABLE_TELEMETRY := true

.PHONY: demo test test-slow test-tools lint format typing docs constraints clean

demo: .venv/.ok
	$(BIN)/voltgym demo

test: lint
	$(BIN)/python -m pytest -n 2

test-slow: .venv/.ok
	$(BIN)/python -m pytest -n 2 -m slow

# Other people's tools in an environment of their own: they bring some hundred packages, and older ones of a few of ours.
test-tools: .venv-tools/.ok
	.venv-tools/bin/python -m pytest -m tools --disable-warnings tests/tools

lint: .venv/.ok typing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p voltgym

format: .venv/.ok
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site, in build/site; a warning is an error.
docs: .venv/.ok
	$(BIN)/python -m sphinx -q -W --keep-going -d build/doctrees docs build/site

# mypy cannot follow an editable install that maps folders to packages; links can.
typing:
	@mkdir -p build/typing/voltgym
	@for folder in $(FOLDERS); do ln -sfn ../../../$$folder build/typing/voltgym/$$folder; done

.venv/.ok: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "voltgym needs Python 3.11 or newer, but '$(PYTHON)' is older: run make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

.venv-tools/.ok: pyproject.toml constraints-tools.txt
	$(PYTHON) -m venv .venv-tools
	.venv-tools/bin/pip install --quiet -c constraints-tools.txt -e '.[tools]'
	@touch $@

constraints: .venv/.ok
	@{ head -n 1 constraints.txt; $(BIN)/pip freeze | grep -vE '^(#|-e )' | sed -E 's/==([^+]+)\+.*/==\1/'; } > constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(FOLDERS) tests -name __pycache__ -type d -prune -exec rm -rf {} +
