# make demo | test need python3 (3.10+), pip and g++; everything else comes from the package index into .venv.
SHELL := /bin/bash
VENV ?= .venv
INSTALL := .ci/install $(VENV) -c constraints.txt
# The editable installation finds its build tools in .venv, so that a rebuild from there works later.
EDITABLE := PATH="$(abspath $(VENV))/bin:$$PATH" $(INSTALL) --no-build-isolation -C build-dir=build/install \
  -C cmake.define.MRIOPS_EMU=ON -C cmake.define.MRIOPS_CUDA=OFF
RUN := $(VENV)/bin/python -m

# For `make native`: whatever Python is active.
PYTHON ?= $(shell command -v python || command -v python3)
BUILD ?= build/native

.PHONY: demo test dev native cuda gpu-check lint types format docs bench stubs clean

# Simulates a scan, writes it as ISMRMRD, reconstructs it from that file and draws what came out.
# MRIOPS_CUDA=ON builds the CUDA kernels too, where nvcc is.
demo:
	@rm -f $(VENV)/.ready
	$(INSTALL) -C build-dir=build/install -C cmake.define.MRIOPS_CUDA=$(or $(MRIOPS_CUDA),OFF) '.[cli]'
	$(VENV)/bin/mriops demo -o demo/

test: $(VENV)/.ready
	$(RUN) pytest $(PYTEST_ARGS)

# An editable installation that compiles what changed when mriops is imported.
dev:
	$(INSTALL) --group dev
	$(EDITABLE) -C editable.rebuild=true -e '.[all]'
	@touch $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt CMakeLists.txt $(wildcard cmake/* csrc/*/*)
	$(INSTALL) --group test
	$(EDITABLE) -e '.[all]'
	@touch $@

# Builds the modules with the active Python and puts them in place, each in one rename so that running tests keep theirs.
native:
	@$(call build_modules,$(BUILD),-DMRIOPS_CUDA=OFF -DMRIOPS_EMU=ON,_cpu _emu)

# The fat binary; MRIOPS_CUDA_ARCHITECTURES=90 for one architecture.
cuda:
	@$(call build_modules,build/cuda,-DMRIOPS_CUDA=ON -DMRIOPS_EMU=OFF \
	  $(if $(MRIOPS_CUDA_ARCHITECTURES),-DCMAKE_CUDA_ARCHITECTURES=$(MRIOPS_CUDA_ARCHITECTURES)),_cpu _cuda)

define build_modules
mkdir -p $(1); exec 9>$(1)/.lock; flock 9; \
cmake -S . -B $(1) $$(command -v ninja >/dev/null && echo -G Ninja) -DPython_EXECUTABLE=$(PYTHON) $(2) \
  >$(1)/configure.log 2>&1 || { cat $(1)/configure.log; exit 1; }; \
for module in $(3); do \
  if ! cmake --build $(1) --target help | grep -qw $$module; then continue; fi; \
  cmake --build $(1) --target $$module || exit 1; \
  for so in $(1)/$$module*.so; do \
    cp $$so python/mriops/.new-$$module && mv python/mriops/.new-$$module python/mriops/$$(basename $$so); done; done
endef

# For a machine with a CUDA device, nvcc and torch: builds for that device, tests every op on it, looks for races and
# stray accesses where compute-sanitizer is, and times the workloads.
gpu-check:
	MRIOPS_CUDA_ARCHITECTURES=native $(MAKE) cuda PYTHON=$(PYTHON)
	PYTHONPATH=python $(PYTHON) -m mriops.info
	PYTHONPATH=python $(PYTHON) -m pytest tests -m gpu -p no:cacheprovider $(PYTEST_ARGS)
	if command -v compute-sanitizer >/dev/null; then PYTHON=$(PYTHON) benchmarks/gpu_sanitize.sh; fi
	PYTHONPATH=python $(PYTHON) -m benchmarks.gpu $(BENCH_ARGS)

lint:
	$(INSTALL) --group lint
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(VENV)/bin/clang-format --dry-run -Werror $$(git ls-files 'csrc/*.h' 'csrc/*.cpp' 'csrc/*.cu' 'csrc/*.cuh' 'tests/*.cpp' 'tests/*.h')
	PYTHONPATH=python $(VENV)/bin/lint-imports --no-cache

types: $(VENV)/.ready
	$(INSTALL) --group lint
	$(RUN) basedpyright --pythonpath $(VENV)/bin/python

format:
	$(INSTALL) --group lint
	$(RUN) ruff check --fix-only .
	$(RUN) ruff format .
	$(VENV)/bin/clang-format -i $$(git ls-files 'csrc/*.h' 'csrc/*.cpp' 'csrc/*.cu' 'csrc/*.cuh' 'tests/*.cpp' 'tests/*.h')

docs: $(VENV)/.ready
	$(INSTALL) -r docs/requirements.txt
	$(RUN) sphinx -W --keep-going -b html docs docs/_build/html

# ducc0 from its sources is built for this processor.
bench: $(VENV)/.ready
	$(INSTALL) --no-binary ducc0 --group bench
	$(RUN) benchmarks run $(BENCH_ARGS)
	$(RUN) benchmarks.bindings

# The signatures of the compiled module, kept in the tree for editors and type checkers.
stubs: $(VENV)/.ready
	$(RUN) nanobind.stubgen -q -m mriops._cpu -o python/mriops/_cpu.pyi

clean:
	rm -rf build dist demo $(VENV) docs/_build python/mriops/*.so
