# The two commands: `make demo` answers questions about a dashcam clip, `make test` runs every test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BROWSER := $(VENV)/.browser

.PHONY: demo test view lint train-nano clean

# torch and torchvision are resolved together, so that their builds match (docs/install.md).
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

# The viewer's tests drive a Chromium: the machine's own if it has one. Where none can be had, they say so.
$(BROWSER): $(READY)
	which chromium chromium-browser google-chrome google-chrome-stable > $@ || test -s $@ \
	  || $(BIN)/playwright install chromium || apt-get install --yes --quiet chromium || true
	touch $@

demo: $(READY)
	$(BIN)/python -m leo_drive.demo

# Three at a time on two cores: a third of the tests' time is waiting, for a browser or for processes to end.
test: $(READY) $(BROWSER)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

view: $(READY)
	$(BIN)/python -m apps.viewer

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# make train-nano REAL=lingoqa_camvid has it learn from real drives too.
train-nano: $(READY)
	$(BIN)/python -m training.nano $(if $(REAL),--real $(REAL))

clean:
	rm -rf $(VENV) build dist runs demo
