# Two commands matter: `make run` does the main job, `make test` passes the tests.
# Each sets up what it needs and says what it does.
.PHONY: run test test-all lint lint-fix clean help

BIN = .venv/bin
# One process per core; which tests may run beside each other is in tests/lanes.py.
PYTEST = $(BIN)/pytest -n auto --maxprocesses=4 --cov --cov-report=term --durations=20

run: ## Check Multipath TCP on the embedded network (ARGS="--quick" passes options)
	@.ci/setup run
	@$(BIN)/mptcp-check run $(ARGS)

test: ## Lint, then all tests that belong to every change (needs root: namespaces)
	@.ci/setup test
	@$(MAKE) --no-print-directory lint
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: ## Also what takes long: rebuilds compared bit for bit, every behaviour on machines
	@.ci/setup all
	@$(MAKE) --no-print-directory lint
	@$(PYTEST) --hypothesis-profile=searching $(ARGS)

lint: ## Style, types, borders between packages, shell scripts, changelog fragments
	@.ci/setup test
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >.import-linter.log 2>&1 || { cat .import-linter.log; exit 1; }
	@rm -f .import-linter.log
	@shellcheck --shell=dash .ci/setup .ci/run $$(git ls-files | xargs awk 'FNR == 1 && /^#!(\/usr)?\/bin\/(busybox )?sh/ {print FILENAME}')
	@echo "lint: all green"

lint-fix: ## Let the linter mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## Remove what was made in this checkout (caches outside stay)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov dist

help:
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12
