# `make demo` and `make test` are the two commands of the README; both set everything up by
# themselves, into .venv, and only once: what is installed is remembered in .venv/installed-*,
# files that are older than what they were made from are made again.
#
#   make demo        stream a real answer from a small model that runs on this machine
#   make test        everything CI runs; make check is the same
#   make fix         format, and the repairs that are safe
#   make thorough    the tests once more, with many more generated cases
#   make bench       the benchmark table
#   make constraints pin the newest versions that fit, then run the checks

# Tested are those of VERSIONS that the machine has; a newer Python is taken when it has none.
VERSIONS = 3.11 3.12 3.13
ACCEPTED = $(VERSIONS) 3.14 3.15
INPUTS = pyproject.toml conformance/pyproject.toml $(wildcard providers/*/pyproject.toml) requirements-dev.txt \
	requirements-model.txt constraints.txt scripts/environment
PYTHON = .venv/bin/python
PROMPT = Write two sentences about the sea.

.PHONY: demo test check fix thorough bench constraints clean
.DELETE_ON_ERROR:

demo: .venv/installed-demo
	@echo "-- streamkit chat \"$(PROMPT)\" --model local/smollm2-135m-instruct"
	@.venv/bin/streamkit chat "$(PROMPT)" --model local/smollm2-135m-instruct

test: check

check: .venv/installed-dev
	@$(PYTHON) scripts/checks.py
	@scripts/other-pythons $(VERSIONS)

fix: .venv/installed-dev
	$(PYTHON) -m ruff check --fix-only --quiet .
	$(PYTHON) -m ruff format .

thorough: .venv/installed-dev
	STREAMKIT_TEST_PROFILE=thorough $(PYTHON) scripts/checks.py tests integration

bench: .venv/installed-dev
	$(PYTHON) -m benchmarks

constraints: .venv/installed-dev
	scripts/pin

clean:
	rm -rf .venv .venv-3.* .bench .coverage .hypothesis .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache

.venv/installed-dev: $(INPUTS)
	@scripts/environment .venv dev $(ACCEPTED)
	@touch .venv/installed-demo $@

.venv/installed-demo: $(INPUTS)
	@scripts/environment .venv demo $(ACCEPTED)
	@touch $@

.venv-%/installed-test: $(INPUTS)
	@scripts/environment .venv-$* test $*
	@touch $@
