# Two commands on a fresh machine with Python 3.11 or 3.12, git and make:
#   make demo    colours the sample photos with the released weights
#   make test    runs every test, and every notebook in small
# The environment goes into .venv, at the versions of constraints.txt.

PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin
RUN ?= runs/encoder_decoder
PREPARED ?= data/prepared
EPOCHS ?= 30

.PHONY: demo test notebooks web reproduce bench clean

demo: .venv/core
	$(BIN)/python -m colornet demo --output outputs

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

notebooks: .venv/dev
	$(BIN)/jupyter lab notebooks

# The page to upload photos to, on http://127.0.0.1:7860
web: .venv/web
	$(BIN)/python -m colornet serve

# The paper's whole protocol on a folder of photos: make reproduce DATA=folder
reproduce: .venv/core
	@test -n "$(DATA)" || { echo "name the folder of photos: make reproduce DATA=folder"; exit 1; }
	$(BIN)/python -m colornet prepare "$(DATA)" -o $(PREPARED)
	$(BIN)/python -m colornet train $(PREPARED) -o $(RUN) --model encoder_decoder --epochs $(EPOCHS)
	$(BIN)/python -m colornet evaluate $(PREPARED) --model $(RUN) --json $(RUN)/metrics.json

# Speed, memory, films and exports on this machine, into benchmarks/README.md
bench: .venv/dev
	$(BIN)/python benchmarks/run.py $(FILMS)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; name it: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/core: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/web: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[web]'
	touch $@ .venv/core

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ .venv/core .venv/web

clean:
	rm -rf .venv outputs
