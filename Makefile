# tianyan: each target does its own set-up in a local .venv from python3 and pip alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint soak bench evidence docs clean help

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP)  ## a simulated day over Zhejiang, from files to a map and a table
	$(BIN)/tianyan demo

test: $(STAMP)  ## all tests in three processes (many wait for others of their own): compiled, then kernels again without the compiler for coverage
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
	OPENBLAS_NUM_THREADS=1 NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q -n 2 tests/kernels --cov=kernels --cov-fail-under=95

lint: $(STAMP)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(STAMP)  ## the service through a hundred random histories, every kill, and a thousand hours in one process
	SOAK=1 $(BIN)/python -m pytest -n 2 --dist load tests/pipeline/service/test_machine.py tests/pipeline/service/test_soak.py \
	  tests/pipeline/service/test_kills.py tests/pipeline/service/test_disk_faults.py tests/pipeline/service/test_reprocessing_dask.py \
	  tests/pipeline/grid/test_hours_processes.py tests/test_wheel.py
	SOAK=1 $(BIN)/python -m pytest tests/test_howto.py tests/test_evidence.py tests/pipeline/serve/test_description.py tests/pipeline/inversion/test_lognormal.py
	$(BIN)/python -m benchmarks.soak 1000 > docs/service/soak.txt

bench: $(STAMP)  ## speed and memory, as ratios within one run
	$(BIN)/python -m benchmarks.gate
	$(BIN)/tianyan bench --folder bench-output
	$(BIN)/python -m benchmarks.transport
	$(BIN)/python -m benchmarks.inversion
	$(BIN)/python -m benchmarks.hourly
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.store store-output
	$(BIN)/python -m benchmarks.serve store-output

evidence: $(STAMP)  ## every figure and table of docs/evidence again, from the code alone (two hours; real cases need ../shared)
	$(BIN)/python -m benchmarks.evidence docs/evidence

docs: $(STAMP)  ## run the other cases and comparisons, write their figures into docs/ (needs ../shared)
	$(BIN)/python docs/reference.py
	$(BIN)/tianyan osse make formats-output/world --days 1 --spacing-km 18 --particles 50 --micro 20
	$(BIN)/tianyan run formats-output/world/case.toml > /dev/null
	$(BIN)/tianyan osse deliver formats-output/world formats-output/live --until 2024-07-15T04Z
	$(BIN)/tianyan run-due --case formats-output/live/case.toml --now 2024-07-15T04:16Z
	$(BIN)/python docs/formats.py formats-output/world/posterior.zarr formats-output/live
	$(BIN)/tianyan demo > docs/cases/demo.txt
	$(BIN)/python -m benchmarks.upper demo-output/posterior.zarr 16 > docs/answers/upper.txt
	cp demo-output/posterior.png docs/demo.png
	$(BIN)/python -m benchmarks.causes 5 2 > docs/cases/causes.txt
	$(BIN)/python -m benchmarks.faults faults-output 201 7 9 > docs/quality/detection.txt
	$(BIN)/python -m benchmarks.real_files ../shared/data > docs/quality/real_files.txt
	$(BIN)/python -m benchmarks.footprint_pictures docs/footprints
	$(BIN)/python -m benchmarks.bound > docs/transport/bound.txt
	$(BIN)/python -m benchmarks.transport > docs/transport/bench.txt
	$(BIN)/python -m benchmarks.inversion > docs/inversion/bench.txt
	$(BIN)/python -m benchmarks.hourly > docs/inversion/hourly.txt
	$(BIN)/python -m benchmarks.tuning 6 > docs/inversion/tuning.txt
	$(BIN)/python -m benchmarks.quality > docs/quality/bench.txt
	$(BIN)/python -m benchmarks.glasgow
	$(BIN)/python -m benchmarks.store store-output > docs/service/store.txt
	$(BIN)/python -m benchmarks.serve store-output > docs/answers/serve.txt
	mkdir -p docs/bench
	-$(BIN)/tianyan bench --folder bench-output --out bench-output/full.json --table docs/bench/full.txt
	-$(BIN)/tianyan bench --folder bench-output --cores 2 --memory 4G --out bench-output/two.json --table docs/bench/two-cores-4gib.txt
	-$(BIN)/tianyan bench --folder bench-output --cores 1 --memory 3G --out bench-output/one.json --table docs/bench/one-core-3gib.txt
	$(BIN)/tianyan osse make hours-output/world --days 3 --spacing-km 18 --particles 50 --micro 20
	$(BIN)/python -m benchmarks.service hours-output/world hours-output 48 > docs/service/hours.txt
	$(BIN)/tianyan osse make days-output/world --days 31 --spacing-km 18 --particles 30 --spectrometers 4 --micro 6 \
	  --no-sinks --no-columns --no-mobile
	$(BIN)/python -m benchmarks.scale days-output/world days-output/ways 30 > docs/scale/days.txt
	$(BIN)/python -m benchmarks.plan > docs/scale/plan.txt
	mkdir -p docs/design
	$(BIN)/tianyan design hours-output/world/case.toml --spacing-km 60 --picture docs/design/design.png > docs/design/design.txt
	cp hours-output/disturbed/service/status.html docs/service/status.html
	-chromium --headless --no-sandbox --disable-gpu --window-size=1100,1500 \
	  --screenshot=docs/service/status.png file://$(CURDIR)/docs/service/status.html

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache demo-output
