# One line per job. Each does its own set-up: a virtual environment in .venv with everything the job needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo tools test check remade conform verify campaign bench clean

demo: .venv/ready ; $(BIN)/takeover demo
tools: ; tests/tools.sh
test: .venv/ready ; @tests/tools.sh --check && $(BIN)/pytest -n 2 --dist worksteal
check: .venv/ready ; $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
remade: .venv/ready ; $(BIN)/python -m takeover_conformance.making --compare
conform: .venv/ready ; $(BIN)/python -m tests.conformance.whole
bench: .venv/ready ; $(BIN)/python -m tests.bench.run
campaign: .venv/ready ; $(BIN)/takeover lab campaign --faults 550
verify: .venv/ready ; $(BIN)/takeover verify
clean: ; rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]' && touch $@
