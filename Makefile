# make demo: set up and run the main job.  make test: set up and run the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

SOURCES := octoworld sim robots tasks worldmodels vla tests
# more arguments of pytest, such as `-k hover` or `-n 0`
TEST_ARGS ?=

# one thread each: the tests' arrays are too small to share among threads
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --no-loadscope-reorder

.PHONY: help setup setup-test demo test test-slow check format clean

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## Create .venv with everything in it (does nothing when it is up to date)
	@$(PYTHON) octoworld/cli/bootstrap.py

setup-test:
	@$(PYTHON) octoworld/cli/bootstrap.py --browser

demo: setup ## Post-train a policy inside a learned world model, then watch it in the browser
	@$(BIN)/octoworld demo

test: setup-test ## Run the tests, but for the slow ones
	@$(PYTEST) -m "not slow" $(TEST_ARGS)

test-slow: setup-test ## Run the slow tests: whole jobs that are killed, networks that learn, benches
	@$(PYTEST) -m slow $(TEST_ARGS)

check: setup ## Lint, format, types, import rules, file lengths
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-cache
	@find $(SOURCES) -name '*.py' -exec wc -l {} + | \
		awk '$$2 != "total" && $$1 > 500 {print $$2 ": " $$1 " lines, the limit is 500"; bad = 1} END {exit bad}'

format: setup ## Rewrite the files in the house format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## Remove .venv and caches; runs/ and results/ stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
