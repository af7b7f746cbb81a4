# Everything that is done to this project, one command each. `make` alone lists them.
# Each target installs what it needs into .venv; PYTHON chooses the interpreter (3.11 or newer).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Three processes on two cores, because the tests wait more than they compute; a file's tests stay together with their server.
TEST_OPTIONS := --numprocesses 3 --dist loadfile
STUBS  := client/python/reflexio/v1
CLIENTS := client/typescript/src/gen client/go/reflexio
RELEASED := proto/released.binpb
IMAGE  := server/reflexio_server/validate/contract.binpb
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help serve test test-clients test-fast test-long test-upgrade test-faults test-rolling fuzz generate generate-clients check check-generated check-breaking release-contract format bench bench-fairness bench-hand-over bench-limits bench-profile bench-telemetry quality clean

# In the order of this file: what one runs every day comes first.
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

serve: $(VENV)/.server ## Install what is needed and run the service on 127.0.0.1:8081 (ARGS="--port 9000 …")
	@exec $(BIN)/reflexio serve $(ARGS)

test: $(VENV)/.dev ## Install what is needed and run all tests (ARGS="-k publish …")
	$(BIN)/python -m pytest $(TEST_OPTIONS) $(ARGS)

test-fast: $(VENV)/.dev ## Run the tests that load no embedding model and start no processes
	$(BIN)/python -m pytest --ignore=tests/end_to_end --ignore=tests/project $(TEST_OPTIONS) $(ARGS)

check: $(VENV)/.dev check-generated check-breaking ## Check style, types, the contract, generated code and imports
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	buf lint
	buf format --diff --exit-code

format: $(VENV)/.dev ## Put code and contract into their usual form
	ruff format .
	ruff check --fix .
	buf format --write

clean: ## Remove everything that was installed or made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache client/typescript/node_modules client/typescript/dist

test-clients: $(VENV)/.dev ## Install what other languages need (Debian, npm) and run their table of cases (ARGS="--keep" or "ruby go …")
	$(BIN)/python -m tests.conformance $(ARGS)

test-long: $(VENV)/.dev ## Run all tests at length: many kills, replacements and histories (ARGS="tests/client")
	REFLEXIO_LONG_TESTS=1 $(BIN)/python -m pytest -s $(ARGS)

test-upgrade: $(VENV)/.dev ## Run a server of the version before the barrier beside this one (it is taken from git's history)
	REFLEXIO_LONG_TESTS=1 $(BIN)/python -m pytest -s -rs tests/tenancy/test_side_by_side.py tests/tenancy/test_upgrade.py $(ARGS)

test-faults: $(VENV)/.dev ## Break servers, Postgres and connections under load, at length (ARGS="--seconds 600 --seed 1 …")
	$(BIN)/python -m tests.end_to_end.faults $(ARGS)

test-rolling: $(VENV)/.dev ## Replace three replicas under load, and count the calls that failed (ARGS="--rounds 10 …")
	$(BIN)/python -m tests.end_to_end.rolling $(ARGS)

fuzz: $(VENV)/.dev ## Attack a server with damaged messages, HTTP/2 garbage, slow and idle connections (ARGS="--seconds 60 --seed 1 …")
	$(BIN)/python -m tests.hostile $(ARGS)

generate: $(VENV)/.dev ## Make the Python stubs and the server's copy of the contract from proto/
	rm -rf $(STUBS)
	buf generate
	find $(STUBS) -name '*_pb2_grpc.py*' ! -name '*_service_pb2_grpc.py*' -delete
	printf '"""The generated stubs of the contract in proto/reflexio/v1."""\n' > $(STUBS)/__init__.py
	buf build --path proto/reflexio --exclude-source-info --output $(IMAGE)

generate-clients: $(VENV)/.dev client/typescript/node_modules ## Make the stubs of all languages whose tools are installed (ARGS="ruby …")
	$(BIN)/python tools/generate_clients.py $(ARGS)

client/typescript/node_modules: client/typescript/package-lock.json
	@if command -v npm >/dev/null; then npm --prefix client/typescript ci --ignore-scripts --no-audit --no-fund --silent && touch $@; fi

# Of the other languages those that are committed, where their tools are installed.
check-generated: generate client/typescript/node_modules
	@$(BIN)/python tools/generate_clients.py typescript go
	@git diff --exit-code --stat -- $(STUBS) $(IMAGE) $(CLIENTS) && test -z "$$(git status --porcelain -- $(STUBS) $(IMAGE) $(CLIENTS))" || \
	  { echo "The generated code is stale. Run 'make generate generate-clients' and commit the result."; exit 1; }

# Against the last release, and against main where this is a branch beside it.
check-breaking: $(VENV)/.dev
	@mkdir -p build && buf build --path proto/reflexio --output build/contract.binpb
	buf breaking build/contract.binpb --against $(RELEASED)
	@base=$$(git rev-parse --verify --quiet origin/main || git rev-parse --verify --quiet main); \
	if git cat-file -e "$$base:buf.yaml" 2>/dev/null; then buf breaking --against ".git#ref=$$base"; fi

release-contract: $(VENV)/.dev ## Note the contract as released: from now on it may only grow from there
	buf build --path proto/reflexio --exclude-source-info --output $(RELEASED)
	$(BIN)/python -m tests.compatibility

bench: $(VENV)/.dev ## Measure every call against its floor, and refresh docs/performance.md and the README (ARGS="--quick")
	$(BIN)/python -m benchmarks $(ARGS)

bench-profile: $(VENV)/.dev ## Measure where a call's time goes, and refresh that table in docs/performance.md (ARGS="--quick")
	$(BIN)/python -m benchmarks.profile $(ARGS)

bench-fairness: $(VENV)/.dev ## Measure a quiet user beside a noisy one (ARGS="--quick")
	$(BIN)/python -m benchmarks.fairness $(ARGS)

bench-telemetry: $(VENV)/.dev ## Measure what telemetry costs a call (ARGS="--quick --against FOLDER")
	$(BIN)/python -m benchmarks.telemetry $(ARGS)

bench-hand-over: $(VENV)/.dev ## Measure how long BackgroundPublisher holds an agent up (ARGS="--quick …")
	$(BIN)/python -m benchmarks.hand_over $(ARGS)

bench-limits: $(VENV)/.dev ## Measure memory, start-up, large users and deletes, in a quarter of an hour (ARGS="--quick memory …")
	$(BIN)/python -m benchmarks.limits $(ARGS)

quality: $(VENV)/.dev ## Ask annotated conversations what search finds (ARGS="--mode hybrid --data FOLDER …")
	$(BIN)/python -m benchmarks.quality $(ARGS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Reflexio needs Python 3.11 or newer; set PYTHON to one.")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.server: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the server into $(VENV) (a minute or two, once)" >&2
	@$(PIP) --editable '.[server]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the server and the tools into $(VENV) (a minute or two, once)" >&2
	@$(PIP) --editable '.[server,dev]'
	@touch $@ $(VENV)/.server
