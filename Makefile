# The verbs of the work: each is one line, so that people and CI type the same.  `make` lists them.
PYTHON := .venv/bin/python
SEEDS  := 200

help:        ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup:       ## an environment in .venv with everything below
	scripts/setup dev

check:       ## format, lint, strict types, layers and sizes: under 20 seconds
	$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check . && $(PYTHON) -m basedpyright --pythonpath $(PYTHON) && $(PYTHON) -m pytest -q tests/test_architecture.py tests/test_tidy.py

format:      ## rewrite the files as `check` wants them
	$(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .

test:        ## the whole suite
	$(PYTHON) -m pytest

models:      ## Hypothesis' models of queue, ledger, topics and lanes
	$(PYTHON) -m pytest tests/models

lanes:       ## the express lane and the memos against the plain lane: more examples, and all cases without them
	$(PYTHON) -m pytest tests/models/test_lanes_agree.py --hypothesis-profile explore && AMQPBROKER_EXPRESS=off $(PYTHON) -m pytest tests/conformance

sim:         ## whole brokers from seeds: SEED=123 replays one, SEEDS=1000 tries many
	$(PYTHON) -m pytest tests/simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

conformance: ## the cases against the broker at PEER=amqp://...; VERSION=3.10 compares with that one
	$(PYTHON) -m conformance run $(PEER) $(if $(VERSION),--against $(VERSION))

interop:     ## unmodified clients, or only CLIENT='pika_*'
	$(PYTHON) -m interop $(if $(CLIENT),'$(CLIENT)')

bench:       ## our figures; AGAINST=amqp://... adds a rival's
	$(PYTHON) -m bench $(if $(AGAINST),--against $(AGAINST))

docs:        ## the pages and tables that are made from recordings, figures and settings
	$(PYTHON) -m conformance compatibility && $(PYTHON) scripts/summaries.py && $(PYTHON) scripts/settings_pages.py && $(PYTHON) scripts/api_document.py

.PHONY: help setup check format test lanes models sim conformance interop bench docs
