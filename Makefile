# make demo   train a small model on generated shapes and show what it finds
# make test   lint, then every test but the longer ones, which follow
# make test-long   several devices and machines, exported files, benchmarks
# make test-backends   a small suite on JAX and on torch, each in a process of its own
# make test-notebooks   the notebooks, from top to bottom
# make bench  every benchmark that runs in minutes, into benchmarks/RESULTS.md
# make docs   the guides and the API reference as pages, in build/docs
# All build .venv first, and reuse it while pyproject.toml and setup.py stay as they are.

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# The first of these that runs, can make environments, and is one TensorFlow publishes for; or
# name one: make test PYTHON=/path/to/python
PYTHONS := python3 python3.13 python3.12 python3.11 python3.10 python
NEWEST  := $(if $(PYTHON),(3, 99),(3, 13))
USABLE  := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= $(NEWEST))

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-backends test-notebooks notebooks bench docs lint clean
.DELETE_ON_ERROR:

help:
	@echo "make demo            train on generated shapes, then detect (five minutes after installation)"
	@echo "make test            lint and tests"
	@echo "make test-long       tests of several devices and machines, of exported files, of benchmarks"
	@echo "make test-backends   a small suite on JAX and on torch (installs both)"
	@echo "make test-notebooks  run every notebook with a few steps of training, and check its findings"
	@echo "make notebooks       run every notebook in full and save what it shows (ten minutes)"
	@echo "make bench           measure this machine and the library, into benchmarks/RESULTS.md"
	@echo "make docs            guides and API reference as pages, in build/docs"
	@echo "make lint            lint alone"
	@echo "make clean           remove $(VENV) and what builds leave behind"

$(STAMP): pyproject.toml setup.py mrcnn_imgaug.pth
	@set -e; chosen=""; \
	for python in $(if $(PYTHON),"$(PYTHON)",$(PYTHONS)); do \
	    if "$$python" -c '$(USABLE)' >/dev/null 2>&1; then chosen="$$python"; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then \
	    echo "mrcnn needs Python 3.10 to 3.13 with its venv module; none of these is one:" >&2; \
	    echo "    $(or $(PYTHON),$(PYTHONS))" >&2; \
	    echo "Name one with: make test PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	echo "== environment: $(VENV) from $$($$chosen --version)"; \
	"$$chosen" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip "setuptools>=64" wheel
	$(BIN)/python -m pip install --quiet --editable ".[test]"
# imgaug asks for an OpenCV that needs a display; the headless one is here already.
	$(BIN)/python -m pip install --quiet six imageio shapely
	$(BIN)/python -m pip install --quiet --no-deps imgaug
	@touch $@

demo: $(STAMP)
	$(BIN)/python samples/shapes/demo.py

lint: $(STAMP)
	@echo "== lint"
	$(BIN)/python -m ruff check .

# A whole file goes to one of two processes.
SHARED_OUT := -n 2 --dist loadfile --no-loadscope-reorder
LONGER := tests/distribution tests/export tests/benchmarks

test: lint
	@echo "== tests"
	$(BIN)/python -m pytest $(SHARED_OUT) $(LONGER:%=--ignore=%)

test-long: $(STAMP)
	@echo "== longer tests"
	$(BIN)/python -m pytest $(SHARED_OUT) $(LONGER)

# Another build of torch: make test-backends TORCH="--index-url ADDRESS torch"
JAX   ?= jax>=0.6
TORCH ?= torch==2.13.0
# Without what it asks for, which is torch: tests build its models and compare.
TORCHVISION ?= torchvision==0.28.0

$(VENV)/.jax: $(STAMP)
	$(BIN)/python -m pip install --quiet "$(JAX)"
	@touch $@

$(VENV)/.torch: $(STAMP)
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --no-deps $(TORCHVISION)
	@touch $@

# JAX keeps what it has compiled: these tests compile the same over and over, and so does the next
# run. Two threads of torch wait for each other where the cores are busy.
test-backends: export JAX_COMPILATION_CACHE_DIR = $(abspath $(VENV))/.jax-compiled
test-backends: export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS = 0.1
test-backends: $(VENV)/.jax $(VENV)/.torch
	@echo "== tests on JAX"
	KERAS_BACKEND=jax $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	    tests/backends tests/kernels tests/distribution/test_two_devices.py
	@echo "== tests on torch"
	KERAS_BACKEND=torch OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest tests/backends tests/kernels \
	    tests/zoo

test-notebooks: $(STAMP)
	@echo "== notebooks"
	$(BIN)/python -m pytest tests/notebooks

notebooks: $(STAMP)
	$(BIN)/python notebooks/execute.py

# BENCH=--quick tries all of it at tiny sizes; BENCH="--only detection" one.
BENCH ?=

bench: $(STAMP)
	$(BIN)/python -m benchmarks.run $(BENCH)

docs: $(STAMP)
	$(BIN)/python docs/make_reference.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
