# Two commands do it all on a fresh machine with Python 3.11 or newer:
#   make league        check and measure the servers of the zoo, and print the league table
#   make test          run the linters and the tests
# Both create the environment in .venv first, with uv if it is installed, otherwise with venv and pip.
#   make setup         create the environment only, with all extras but Zig's compiler (90 MB): MORE=zig
# For contributors:
#   make test-all      run also the tests that take minutes
#   make lint          run the linters and the type checker
#   make lint-workflows  check what is in .github, with actionlint (needs Go), zizmor and the schemas of GitHub
#   make requirements  write spec/*/REQUIREMENTS.md, the requirements of each spec and their cases
#   make cli           write the help of all commands into docs/cli.md
#   make zoo           write the tables of servers into docs/zoo.md
#   make leaderboard   write the latest run into the README and docs/results

PYTHON ?= python3
BIN := .venv/bin
EXTRAS := chat,plots,site,fuzz,watch,history,cluster,servers,dev$(MORE:%=,%)
# The servers under tests/mutants are scripts for "python3": this one, which is new enough.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: league test test-all setup lint lint-workflows leaderboard exhibit requirements cli zoo clean help

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

league: setup
	@$(BIN)/harness run --all --smoke --within 10m

PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --max-worker-restart 0 --durations=25

test: setup lint
	@$(PYTEST) -m "not exhaustive"

test-all: setup lint
	@$(PYTEST)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --cache-dir .mypy_cache/import_linter

FORMS := $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))

lint-workflows: setup $(BIN)/actionlint
	@$(BIN)/actionlint
	@$(BIN)/zizmor --offline --no-progress --quiet .github
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms --quiet $(FORMS)
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config --quiet .github/ISSUE_TEMPLATE/config.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.dependabot --quiet .github/dependabot.yml

$(BIN)/actionlint: | setup
	@GOBIN=$(CURDIR)/$(BIN) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

setup: .venv/ready

# The stamp is written last: an unfinished environment is created again.
.venv/ready: pyproject.toml setup.py $(wildcard harness/load/engine/native/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12 ...")'
	@echo "setting up .venv (once)"
	@if command -v uv > /dev/null; then \
	    uv venv --quiet --clear --python $(PYTHON) .venv && \
	    uv pip install --quiet --python $(BIN)/python --editable '.[$(EXTRAS)]'; \
	else \
	    $(PYTHON) -m venv --clear .venv && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'; \
	fi
	@touch $@

leaderboard: setup
	@$(BIN)/harness report --readme README.md --pages docs/results

exhibit: setup
	@$(BIN)/python -m tests.exhibit

requirements: setup
	@for spec in spec/*/; do name=$$(basename $$spec); \
	    [ ! -f $$spec/README.md ] || $(BIN)/harness explain $$name --markdown > $$spec/REQUIREMENTS.md; done

zoo: setup
	@$(BIN)/python -m tests.zoo_page

cli: setup
	@$(BIN)/python -m tests.cli_page

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info
