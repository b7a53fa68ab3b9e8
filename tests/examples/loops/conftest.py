"""The modules of examples/loops import each other by name, as its programs do."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

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
