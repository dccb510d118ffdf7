# The two that matter: `make app` opens the dashboard, `make test` runs the tests.
# Both make .venv first and return to work at once when it is there. Another interpreter: make PYTHON=/path/to/python3.12
PYTHON ?=
PORT ?=
ARGS ?=
RUN := .venv/bin/python
# Two files at a time, in the order of tests/conftest.py: those that take longest first.
LONG := -n 2 --dist loadfile --no-loadscope-reorder
export PYTHON
# Compiled modules are kept: every server and worker would compile ours anew, and every round of tests its tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: app test mutants lint access browser browser-run cluster screenshots pictures bench table runs tiny slow offline clean help setup setup-dev

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

setup:
	@sh tools/setup.sh app

setup-dev:
	@sh tools/setup.sh dev

app: setup  ## open the dashboard on the recorded runs (PORT=8600 for another port)
	@headless=true; \
	if [ "$$(uname)" = Darwin ] || [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ]; then headless=false; fi; \
	$(RUN) -m streamlit run app.py --server.address 127.0.0.1 $(if $(PORT),--server.port $(PORT)) \
		--server.headless $$headless --server.showEmailPrompt false --browser.gatherUsageStats false $(ARGS)

test: setup-dev  ## run the tests, two files at a time (ARGS=... goes to pytest)
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n 2 --dist loadfile $(ARGS)

slow: setup-dev  ## run the long tests that `make test` leaves out, two files at a time
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -q -m slow $(LONG) $(ARGS)

mutants: setup-dev  ## put small faults in, one at a time: do the tests notice? (ARGS="--number 24 --seed 0", --help)
	@$(RUN) -m pip install --quiet -r requirements-mutants.txt
	@$(RUN) tools/mutants.py $(ARGS)

browser: setup-dev  ## run the browser tests, two files at a time (needs Chromium)
	@$(RUN) -m pytest -q -m browser $(LONG) $(ARGS)

table: setup  ## write the core table into README.md and the tables of decisions, from the recorded answers
	@$(RUN) tools/core_table.py
	@$(RUN) tools/decision_tables.py

screenshots: setup-dev  ## every page in both themes and two sizes, into build/screenshots/
	@$(RUN) -m tests.browser.screenshots build/screenshots

pictures: setup-dev  ## make the pictures of README and docs/ again, from the recorded runs (needs Chromium)
	@PYTHONPATH=. $(RUN) tools/pictures.py

access: setup-dev  ## axe-core over every page in both themes (ARGS="accuracy run" for some)
	@$(RUN) -m tests.browser.axe $(ARGS)

browser-run: setup-dev  ## of the browser tests, only those that start, watch, kill and resume live runs
	@$(RUN) -m pytest -q -m browser tests/browser/test_run.py $(ARGS)

cluster: setup-dev  ## install Ray; two nodes, one killed, and two processes for one run: are the results those of one?
	@$(RUN) -m pip install --quiet -r requirements-cluster.txt
	@$(RUN) -m pytest -q -m cluster $(ARGS)

lint: setup-dev  ## ruff over everything, mypy over core/
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

bench: setup-dev  ## measure every figure of benchmarks/ (ARGS=NAME for one)
	@$(RUN) -m core bench $(ARGS)

runs: setup  ## make the recorded runs again, into runs/ (ARGS="--data-dir DIR" for a local GLUE)
	@set -e; for file in sweeps/*.toml; do $(RUN) -m core sweep "$$file" $(ARGS); done

tiny: setup  ## train the tiny model and its runs on the built-in tasks, into runs/ (no data, no hub)
	@set -e; for file in sweeps/tiny*.toml; do $(RUN) -m core sweep "$$file" $(ARGS); done

offline: setup  ## fetch the offline copy of minilm-l6 again
	@sh tools/setup.sh offline

clean:  ## remove caches and build/; .venv, runs/ and cached_runs/ stay
	@rm -rf build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
