# make train and make test work on a fresh machine with Python 3.11: each makes .venv and installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
# OpenMP's threads wait for each other by spinning. On a shared machine a little spinning is as fast and far more robust:
# beside one other busy process the default is up to twenty times slower.
export GOMP_SPINCOUNT ?= 1000

.PHONY: install train test libraries lint docs bench clean

install: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

train: install          ## PPO on 2-D points, then the comparison with all schedules
	$(BIN)/python agents/train_ppo.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: install           ## the site, in docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -b html --nitpicky --fail-on-warning --keep-going --quiet docs docs/_build/html

# A process a core, and in it one thread. The tests of a file share what is costly to make, so they stay together. Files
# run in order of their names: the slow ones, which train agents and compile programs, come before the many quick ones,
# so that all processes end at about the same time.
test: lint docs         ## lint, types, the site and tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# The libraries get an environment of their own on top of .venv, since ray[rllib] takes Gymnasium back to 1.2.2.
# Lightning and accelerate are there too, for the controller in their loops, and the optimisers of loops/compare.py.
SITE := -c "import sysconfig; print(sysconfig.get_path('purelib'))"
.venv/libraries/installed: .venv/installed
	$(BIN)/python -m venv .venv/libraries
	$(BIN)/python $(SITE) > "$$(.venv/libraries/bin/python $(SITE))/below.pth"
	.venv/libraries/bin/python -m pip install --quiet --disable-pip-version-check -e ".[libraries,loops]"
	touch $@

libraries: .venv/libraries/installed  ## what RL libraries learn from is what happened
	OMP_NUM_THREADS=1 .venv/libraries/bin/python -m pytest --numprocesses auto --dist loadfile tests/libraries tests/examples/loops \
		tests/gan_env/controller/test_lightning.py tests/gan_env/controller/test_accelerate.py \
		tests/test_examples.py::test_a_loop_of_another_framework_runs_as_it_stands

bench: install          ## GAN updates a second beside a plain PyTorch loop
	$(BIN)/python tests/benchmarks/throughput.py

clean:
	rm -rf .venv build docs/_build docs/generated *.egg-info .mypy_cache .ruff_cache .pytest_cache
