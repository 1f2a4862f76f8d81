# Two commands on a fresh machine with Python 3.11, 3.12 or 3.13, git and make:
#   make demo    colours the sample photos with the released weights
#   make test    runs every test, and every notebook in small
# While working: make lint looks at style and imports, make quick runs what is quick of the tests.
# The environment goes into .venv, at the versions of constraints.txt.

WILL_DO := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p $(WILL_DO) && echo $$p && break; done)
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
RUN ?= runs/encoder_decoder
PREPARED ?= data/prepared
EPOCHS ?= 30

.PHONY: demo test lint quick notebooks web site reproduce bench clean

demo: .venv/light
	$(BIN)/python -m colornet demo --output outputs

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

# Numerics, files, steering and the face: what most changes touch
QUICK := batches bins download face hints house losses metrics palette skin steady tiff
quick: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile $(QUICK:%=tests/test_%.py)

notebooks: .venv/dev
	$(BIN)/jupyter lab notebooks

# The page to upload photos to, on http://127.0.0.1:7860
web: .venv/web
	$(BIN)/python -m colornet serve

# The page as static files, for any host: the network runs in the browser
SITE ?= build/site
site: .venv/site
	$(BIN)/python -m colornet site -o $(SITE)

# The paper's whole protocol on a folder of photos: make reproduce DATA=folder
reproduce: .venv/train
	@test -n "$(DATA)" || { echo "name the folder of photos: make reproduce DATA=folder"; exit 1; }
	$(BIN)/python -m colornet prepare "$(DATA)" -o $(PREPARED)
	$(BIN)/python -m colornet train $(PREPARED) -o $(RUN) --model encoder_decoder --epochs $(EPOCHS)
	$(BIN)/python -m colornet evaluate $(PREPARED) --model $(RUN) --json $(RUN)/metrics.json

# Speed, memory, films and exports on this machine, into benchmarks/README.md
bench: .venv/dev
	$(BIN)/python benchmarks/run.py $(FILMS)

.venv/bin/python:
	@test -n "$(PYTHON)" && $(PYTHON) $(WILL_DO) || { echo "Python 3.11, 3.12 or 3.13 is needed; name it: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv

# What only colours: no TensorFlow, no Keras
.venv/light: .venv/bin/python pyproject.toml setup.py constraints.txt
	$(INSTALL) -e .
	touch $@

.venv/train: .venv/bin/python pyproject.toml setup.py constraints.txt
	$(INSTALL) -e '.[train]'
	touch $@ .venv/light

.venv/web: .venv/bin/python pyproject.toml setup.py constraints.txt
	$(INSTALL) -e '.[web]'
	touch $@ .venv/light

.venv/site: .venv/bin/python pyproject.toml setup.py constraints.txt
	command -v npm > /dev/null && $(INSTALL) -e . || $(INSTALL) -e '.[site]'
	touch $@ .venv/light

.venv/dev: .venv/bin/python pyproject.toml setup.py constraints.txt
	$(INSTALL) -e '.[dev]'
	touch $@ .venv/light .venv/train .venv/web .venv/site

clean:
	rm -rf .venv build outputs
