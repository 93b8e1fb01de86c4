# make demo [AUDIO=song.mp3]   set up, and say what all models hear in a recording
# make test | quick | test-transformers | bench | lint | clean
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0
INPUTS := pyproject.toml constraints.txt
# these run by themselves and in minutes; the others need a data set, a soundfont or an hour, and are run by hand
BENCHMARKS := $(addprefix benchmarks/,cold_start.py features.py lora_step.py onnx_speed.py routing.py throughput.py)
export AUDIO
unexport PYTHONPATH PYTHONHOME

.PHONY: help demo language-model test quick test-transformers bench lint clean
.DELETE_ON_ERROR:

help:
	@sed -n '1,2s/^# //p' Makefile

demo: $(VENV)/.core
ifneq ($(wildcard models/sonicverse-smol/config.json),)
	@$(MAKE) --no-print-directory language-model || \
		echo "make: the language model could not be fetched (see above), so there are no captions; the rest is heard" >&2
endif
	@$(BIN)/linernotes listen -- linernotes/assets/*.ogg $${AUDIO:+"$$AUDIO"}

# what writes the captions of sonicverse-smol, into the cache of linernotes; it is fetched once
language-model: $(VENV)/.llm
	@$(BIN)/linernotes fetch-llm

test: $(VENV)/.test
	$(PYTEST)

quick: $(VENV)/.test
	$(PYTEST) -m "not slow"

# transformers' own tests of models and extractors, out of the sdist of the installed version, on our classes
test-transformers: $(VENV)/.test
	$(BIN)/python tests/transformers_suite/run.py

bench: $(VENV)/.test
	@for script in $(BENCHMARKS); do echo "$$script"; $(BIN)/python "$$script" || exit; done

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is an environment that holds what its name says; they share one folder.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: '$(PYTHON)' is not there or older than Python 3.11." >&2; \
		echo "      Install Python 3.11, or name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(BIN)/python $(INPUTS)
	@echo "installing linernotes into $(VENV)"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.llm: $(BIN)/python $(INPUTS)
	@$(INSTALL) -e ".[llm]"
	@touch $@ $(VENV)/.core

$(VENV)/.test: $(BIN)/python $(INPUTS)
	@echo "installing linernotes and what the tests need into $(VENV)"
	@$(INSTALL) -e ".[test]"
	@$(INSTALL) --no-deps tinysoundfont
	@touch $@ $(VENV)/.core $(VENV)/.llm

$(VENV)/.lint: $(BIN)/python $(INPUTS)
	@$(INSTALL) "$$(sed -n 's/^lint = \["\(.*\)"\]/\1/p' pyproject.toml)"
	@touch $@
