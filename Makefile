# What there is to do here. `make` alone lists it.

PYTHON ?=
BRIDGE := .venv/bin/python
SYNAPSE := .venv-synapse/bin/python
ARGS ?=
export PYTHON

.PHONY: help demo setup setup-synapse test lint unit e2e test-engine chaos properties bench constraints clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

demo: .venv/.can-run ## a homeserver, three AI members, a chat: make demo ARGS='--say "Luna, who are you?"'
	@.venv/bin/matrix-ai-bridge demo --folder .demo $(ARGS)

setup: .venv/.can-test ## install the program and what its tests need into .venv

setup-synapse: .venv-synapse/.can-run ## install a Synapse for the tests into .venv-synapse

test: setup setup-synapse ## everything that must pass: lint, unit and store tests, end to end
	@$(BRIDGE) tests/run.py lint unit e2e

lint: setup ## ruff, types, layers
	@$(BRIDGE) tests/run.py lint

unit: setup ## tests without a homeserver: make unit ARGS='-k addressing'
	@$(BRIDGE) tests/run.py unit $(ARGS)

e2e: setup setup-synapse ## tests on real homeservers: make e2e ARGS='-k federation'
	@$(BRIDGE) tests/run.py e2e $(ARGS)

test-engine: setup ## tests on a real llama.cpp server and a real Ollama, built once (15 minutes)
	@.ci/llama-server >/dev/null
	@.ci/ollama-server >/dev/null || echo "no Ollama was built: the tests on it are left out" >&2
	@$(BRIDGE) -m pytest -m engine -rs $(ARGS)

chaos: setup setup-synapse ## kill everything for a while and count: make chaos ARGS='--seconds 60 --workers 2'
	@$(BRIDGE) -m tests.chaos.main $(ARGS)

properties: setup ## the property tests with many more examples (about 15 minutes)
	@TEST_EXAMPLES=12500 $(BRIDGE) -m pytest -q tests/matrix/test_any_json.py
	@TEST_EXAMPLES=300 $(BRIDGE) -m pytest -q --timeout=0 tests/store/test_machine.py tests/rooms/test_taking_back.py

bench: setup ## figures of speed and size, a line of JSON each: make bench ARGS="ingest flood idle"
	@$(BRIDGE) -m tests.bench.main $(ARGS)

constraints: ## choose newer versions of everything and write them down
	@.ci/constraints

clean: ## remove what was made here: environments, caches, the demo's data
	rm -rf .venv .venv-synapse .demo .cache build dist *.egg-info
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.can-run: pyproject.toml constraints.txt .ci/venv
	@.ci/venv .venv -c constraints.txt -e .
	@touch $@

.venv/.can-test: pyproject.toml constraints.txt .ci/venv
	@.ci/venv .venv -c constraints.txt -e '.[mcp]' --group dev
	@touch .venv/.can-run $@

.venv-synapse/.can-run: config/synapse-constraints.txt .ci/venv
	@.ci/venv .venv-synapse -c config/synapse-constraints.txt matrix-synapse psycopg2-binary
	@touch $@
