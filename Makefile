# Everything runs from a virtual environment that the first target needing it makes: .venv
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
EXTRAS := antiberty,near,hf,onnx,track,cluster,docs,foldcomp,parquet,report,search,sweep,test

.PHONY: help demo studies thorough test lint docs soak bench gpu clean
help:  ## Say what there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): setup.cfg pyproject.toml constraints.txt setup.py sesstore/attention/kernel.cpp sesstore/products/amx.cpp sesstore/products/tiles.h sesstore/store/row_gather.cpp
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $(READY)

demo: $(READY)  ## The whole way on bundled real structures: tokenise, embed, train, compare
	$(BIN)/sesstore demo

studies: $(READY)  ## The paper's questions on ../shared/data: ablation, sources, EC, Tm
	$(BIN)/python -m benchmarks.studies --out studies

thorough: $(READY)  ## Run the property tests with ten times the examples
	HYPOTHESIS_PROFILE=thorough OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist loadfile -m hypothesis

test: $(READY)  ## Run the whole suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist loadfile

lint: $(READY)  ## Lint, format check, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy sesstore cli
	$(BIN)/lint-imports

docs: $(READY)  ## Build the documentation site into site/: strict, without any request
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

soak: $(READY)  ## Do to stores whatever may happen to them, 400 times (many minutes)
	$(BIN)/python -m tests.soak

bench: $(READY)  ## Run every benchmark at full size (quiet machine, many minutes)
	for question in $$(cd benchmarks && ls *.py | grep -v '^_' | sed 's/\.py//'); do \
		$(BIN)/python -m benchmarks.$$question || exit 1; done

gpu: $(READY)  ## Check a GPU: is everything right on it, how fast is it (six minutes on an H100)
	$(BIN)/python -m benchmarks.gpu --out gpu

clean:  ## Remove the environment and all caches
	rm -rf .venv build site *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
