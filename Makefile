# The two commands: `make demo` answers questions about a dashcam clip, `make test` runs every test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint train-nano clean

# torch and torchvision are resolved together, so that their builds match (docs/install.md).
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

demo: $(READY)
	$(BIN)/python -m leo_drive.demo

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

train-nano: $(READY)
	$(BIN)/python -m training.nano

clean:
	rm -rf $(VENV) build dist runs demo
