# The commands of this project. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# modules are compiled when they are first imported, and kept: a tenth of what is installed ever is
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt $(wildcard detectors/native/*.[ch] scanner/native/*.[ch] scanner/access/native/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: $(PYTHON) is older than 3.11; say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: venv
venv: $(STAMP) ## make .venv with the pinned dependencies

.PHONY: demo
demo: $(STAMP) ## a made-up company on a local S3, scanned; writes demo/report.html and demo/run.json
	@$(BIN)/python tools/demo.py

.PHONY: test
test: $(STAMP) system lint ## lint, types, import directions and all tests
	$(BIN)/python -m pytest

.PHONY: lint
lint: $(STAMP) ## ruff and mypy (strict)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: system
system: ## install the Debian packages the tests use, where that is possible
	@tools/system-packages chromium firebird3.0-server mariadb-server postgresql postgresql-15-pgaudit

.PHONY: format
format: $(STAMP) ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(STAMP) ## speed and memory beside ripgrep, panhunt and bare reads of databases
	@tools/system-packages ripgrep mariadb-server
	@$(BIN)/python tools/bench.py
	@$(BIN)/python tools/bench_detectors.py
	@$(BIN)/python tools/bench_access.py
	@$(BIN)/python tools/bench_logs.py
	@$(BIN)/python tools/bench_facts.py
	@$(BIN)/python tools/bench_databases.py
	@$(BIN)/python -m tools.bench_pii --whole

.PHONY: accuracy
accuracy: $(STAMP) ## recall, precision and calibration on labelled data
	@$(BIN)/python tools/accuracy.py
	@$(BIN)/python -m tools.accuracy_pii
	@$(BIN)/python tools/accuracy_access.py --seeds 1

.PHONY: corpora
corpora: $(STAMP) ## robustness over the folder in CARDTRAIL_CORPORA
	@$(BIN)/python tools/corpora.py

.PHONY: licences
licences: $(STAMP) ## write docs/licences.md; ends with 1 for a licence we do not take
	@$(BIN)/python -m tools.licences

.PHONY: dist-check
dist-check: $(STAMP) ## build the wheel, install it in a clean environment, run it
	@tools/dist-check $(BIN)/python

.PHONY: sanitize
sanitize: $(STAMP) ## the compiled passes under the address sanitizer
	@tools/sanitize $(abspath $(BIN)/python)

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(VENV) build dist demo bench-out detectors/_native*.so detectors/_prints*.so scanner/_names*.so scanner/access/_trail*.so *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
