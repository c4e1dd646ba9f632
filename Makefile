# The same few commands for people and for CI. Each makes .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(PIP_CONSTRAINT)

.PHONY: demo test check format bench prove docs clean

demo: $(READY)  ## learn the built-in examples, print the honest evaluation, say where the model lies
	$(BIN)/elman demo sine --output demo
	$(BIN)/elman demo names --output demo

test: $(READY)  ## every test, README and docs included; warnings are errors
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

prove: $(READY)  ## the long proofs: many kills, large files
	$(BIN)/python -m pytest -m slow --timeout 3600

check: $(READY)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## write the format that `make check` asks for
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## ours beside the other program, in one run
	$(BIN)/python benchmarks/kernels.py
	$(BIN)/python benchmarks/predict.py
	$(BIN)/python benchmarks/layers.py
	$(BIN)/python benchmarks/steps.py
	$(BIN)/python benchmarks/learning.py
	$(BIN)/python benchmarks/anywhere.py

docs: $(READY)  ## the site, into docs/_build/html
	$(BIN)/sphinx-build -W -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean:
	rm -rf $(VENV) build dist demo docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/elman/kernels/*.cpp src/elman/kernels/*.hpp) $(wildcard src/elman/kernels/cpp/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -e ".[all]" --group dev
	$(BIN)/python -m pip install -q --no-deps sktime  # for its data; what it needs itself is not needed
	@touch $@
