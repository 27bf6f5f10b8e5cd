# Every target works from any folder: make -C path/to/spotlight TARGET. ARGS=… is passed on.

SHELL = /bin/sh
.DEFAULT_GOAL := help

# The scripts in .venv/bin contain the path they were created in; `python -m` works after a move.
# DVC runs the stages with the first `python` on PATH.
PATHS = PATH="$$PWD/.venv/bin:$$PATH"
PY = $(PATHS) .venv/bin/python
PIPELINE = $(PY) -m pipeline
SIDE_BY_SIDE = $(if $(JOBS),--jobs $(JOBS))

.PHONY: help
help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 26

.PHONY: setup
setup: ## create .venv with the locked dependencies (PYTHON=… chooses the interpreter)
	@sh locks/install.sh

.PHONY: repro
repro: setup ## run the pipeline on params.yaml, update MLflow, show the comparison (JOBS=4: side by side)
	@$(PIPELINE) repro $(SIDE_BY_SIDE) $(if $(ARGS),-- $(ARGS))

.PHONY: ui
ui: setup ## update MLflow, then open its UI in the browser (ARGS=--no-browser: only serve it)
	@$(PIPELINE) ui $(ARGS)

.PHONY: report
report: setup ## open the report, updating it if needed
	@$(PIPELINE) report --open $(ARGS)

.PHONY: predict
predict: export GIVEN = $(value TEXT) # as it was typed: a $ in it is no variable of make's
predict: setup ## ask the champion: TEXT="…" (or ARGS='--file reviews.csv --out answers.csv')
	@$(PIPELINE) predict $(ARGS) $(if $(value TEXT),--explain -- "$$GIVEN")

.PHONY: demo
demo: setup ## open a page that asks two models about a text, and again without a word
	@$(PIPELINE) demo $(ARGS)

.PHONY: serve
serve: setup ## answer over HTTP with the champion, on port 5001 (ARGS='--port 8000')
	@$(PIPELINE) serve $(ARGS)

.PHONY: add-data
add-data: setup ## add your own data: FILE=reviews.csv NAME=reviews
	@$(PIPELINE) data add "$$FILE" "$$NAME" $(ARGS)

.PHONY: length-study
length-study: setup ## vary length and evidence position, plot accuracy against length
	@$(PIPELINE) length-study $(SIDE_BY_SIDE) $(ARGS)

.PHONY: search
search: setup ## search for a dataset's training recipe: studies/recipe/params.yaml
	@$(PIPELINE) search $(SIDE_BY_SIDE) $(ARGS)

.PHONY: suggestion-study
suggestion-study: setup ## train as data add suggests, on data of several kinds and sizes
	@$(PIPELINE) suggestion-study $(SIDE_BY_SIDE) $(ARGS)

.PHONY: size-study
size-study: setup ## train every pooling on more and more reviews, plot accuracy against their number
	@$(PIPELINE) size-study $(SIDE_BY_SIDE) $(ARGS)

.PHONY: interval-study
interval-study: setup ## simulate how often the intervals hold the truth
	@$(PIPELINE) interval-study $(ARGS)

.PHONY: parts-study
parts-study: setup ## what each part of IMDB's recipe brings, alone and with the others
	@$(PIPELINE) parts-study $(SIDE_BY_SIDE) $(ARGS)

.PHONY: distractor-study
distractor-study: setup ## put short reviews among neutral sentences, plot accuracy against length
	@$(PIPELINE) distractor-study $(SIDE_BY_SIDE) $(ARGS)

.PHONY: roar
roar: setup ## retrain without the words that explanations rank highest
	@$(PIPELINE) roar $(SIDE_BY_SIDE) $(ARGS)

.PHONY: attention-study
attention-study: setup ## train attention with sparse weights or penalties, and test its weights
	@$(PIPELINE) attention-study $(SIDE_BY_SIDE) $(ARGS)

.PHONY: bench
bench: setup ## time and memory beside stock Keras, PyTorch and ONNX Runtime (ten minutes)
	@sh locks/layer.sh bench
	@$(PATHS) .venv/bench/bin/python -m pipeline bench $(ARGS)

.PHONY: docs
docs: setup ## update the tables in README.md and docs/ from results in git (ARGS=--check: only check)
	@$(PIPELINE) docs $(ARGS)

.PHONY: test
test: setup ## run the tests
	@$(PY) -m pytest $(ARGS)

.PHONY: test-real
test-real: setup ## run the slow tests on the real data under ../shared/data
	@$(PY) -m pytest -m real $(ARGS)

.PHONY: test-services
test-services: setup ## run the services of deploy/compose.yaml here, and the pipeline on them
	@sh locks/layer.sh cluster
	@.venv/cluster/bin/python -m pytest tests/deploy -m services $(ARGS)

.PHONY: fuzz
fuzz: setup ## feed the readers thousands of damaged files and odd parameters (an hour)
	@FUZZ=long $(PY) -m pytest tests/fuzz $(ARGS)

.PHONY: kills
kills: setup ## kill a small pipeline twenty times, and compare what it ends with (an hour)
	@KILLS=20 $(PY) -m pytest tests/test_pipeline.py -k killed $(ARGS)

.PHONY: coverage
coverage: setup ## run the tests, and print what they leave out, branches included
	@$(PY) -m pytest --cov --cov-report=term $(ARGS)

.PHONY: lint
lint: setup ## check style, format and types
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy

# locks/dev.txt takes its pins from locks/run.txt; ARGS=--upgrade updates the versions.
COMPILE = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-header
.PHONY: lock
lock: setup ## update locks/ from pyproject.toml
	@$(COMPILE) --group installer -o locks/installer.txt $(ARGS)
	@$(COMPILE) pyproject.toml -o locks/run.txt $(ARGS)
	@$(COMPILE) pyproject.toml --all-extras --group dev -c locks/run.txt -o locks/dev.txt $(ARGS)

.PHONY: audit
audit: setup ## ask a database for known vulnerabilities of the locked packages (ARGS='-s osv')
	@$(PY) -m uv tool run pip-audit --strict --disable-pip --require-hashes -r locks/dev.txt $(ARGS)

.PHONY: clean
clean: ## remove outputs and scratch; DVC's cache, MLflow's store and your data stay
	@rm -rf data/raw data/encoded data/vectors .spotlight studies/length/data studies/length/.spotlight
	@rm -rf studies/length/results/models
	@find results -mindepth 1 ! -name metrics.json ! -name scores.json -delete 2>/dev/null || true
	@find . -path ./.venv -prune -o -path ./.git -prune -o -path ./.dvc -prune -o -type d \
		\( -name __pycache__ -o -name .pytest_cache -o -name .mypy_cache -o -name .ruff_cache \
		-o -name .hypothesis \) -prune -exec rm -rf {} +
	@echo 'Removed the outputs, scratch and caches. Kept: .venv, data/own, what git has of results/,'
	@echo 'mlflow.db and mlartifacts (the runs), .dvc/cache (dvc checkout restores the outputs).'
