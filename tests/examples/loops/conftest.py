"""The modules of examples/loops import each other by name, as its programs do."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from loop_runs import PLAIN, RATES, record

FOLDER = Path(__file__).parents[3] / "examples/loops"


@pytest.fixture
def loops() -> Iterator[None]:
    """While a test runs, they can be imported."""
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == FOLDER:
            del sys.modules[name]


@pytest.fixture
def compare(loops: None) -> ModuleType:
    return import_module("compare")


@pytest.fixture
def one_run(loops: None) -> ModuleType:
    return import_module("one_run")


@pytest.fixture
def page(loops: None) -> ModuleType:
    return import_module("page")


@pytest.fixture
def results(loops: None) -> ModuleType:
    return import_module("results")


@pytest.fixture
def records() -> list[dict[str, Any]]:
    """The rule always ends at 3.1 and a bit, the optimiser at 4; random runs at 5, 4, 3.1 and 3."""
    found = []
    for data in ("fashion_mnist", "photo_tiles"):
        for seed in range(3):
            bit = 0.01 * seed
            found += [record("fixed", data, rate, seed, PLAIN[rate] + bit, rate == 1e-2) for rate in RATES]
            found += [record("step_size", data, rate, seed, 3.1 + 2 * bit) for rate in RATES]
            found.append(record("prodigy", data, None, seed, 4 + bit))
        found += [record("random", data, 1e-3 + place, 0, score) for place, score in enumerate((5.0, 4.0, 3.1, 3.0))]
    return found
