# make demo | test need python3 (3.10+), pip and g++; everything else is fetched into .venv.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python || command -v python3)
BUILD ?= build/native

.PHONY: native
# Builds the modules with the active Python and puts them in place, each in one rename so that running tests keep theirs.
native:
	@mkdir -p $(BUILD)
	@exec 9>$(BUILD)/.lock; flock 9; \
	cmake -S . -B $(BUILD) $$(command -v ninja >/dev/null && echo -G Ninja) -DPython_EXECUTABLE=$(PYTHON) \
	  -DMRIOPS_CUDA=OFF -DMRIOPS_EMU=ON >$(BUILD)/configure.log 2>&1 || { cat $(BUILD)/configure.log; exit 1; }; \
	cmake --build $(BUILD) && for so in $(BUILD)/_cpu*.so $(BUILD)/_emu*.so; do \
	  [ -e $$so ] || continue; cp $$so python/mriops/.$$(basename $$so).new && mv python/mriops/.$$(basename $$so).new python/mriops/$$(basename $$so); done
