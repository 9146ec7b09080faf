# Two commands do it all on a fresh machine with Python 3.11 or newer:
#   make league   the servers of the zoo, checked and loaded, and the league table
#   make test     the tests
# Both make their own environment in .venv first, with uv where it is here, with venv and pip where not.

PYTHON ?= python3
BIN := .venv/bin
# The servers under tests/mutants are scripts for "python3": this one, which is new enough.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: league test setup lint leaderboard exhibit clauses clean help

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

league: setup
	@$(BIN)/harness run --all --smoke --within 10m

test: setup lint
	@$(BIN)/python -m pytest -n 3 --dist loadfile --max-worker-restart 0 --durations=25

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

setup: .venv/ready

# The stamp is written last: an environment that was not finished is made again.
.venv/ready: pyproject.toml $(wildcard harness/load/engine/native/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12 ...")'
	@echo "setting up .venv (once)"
	@if command -v uv > /dev/null; then \
	    uv venv --quiet --clear --python $(PYTHON) .venv && \
	    uv pip install --quiet --python $(BIN)/python --editable '.[servers,dev]'; \
	else \
	    $(PYTHON) -m venv --clear .venv && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[servers,dev]'; \
	fi
	@touch $@

leaderboard: setup
	@$(BIN)/harness report --readme README.md

exhibit: setup
	@$(BIN)/python -m tests.exhibit

clauses: setup
	@for spec in spec/*/; do name=$$(basename $$spec); \
	    [ ! -f $$spec/README.md ] || $(BIN)/harness explain $$name > $$spec/CLAUSES.md; done

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info
