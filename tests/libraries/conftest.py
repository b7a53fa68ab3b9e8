"""Short runs of points, a witness of them, and the programs of examples/libraries, which docs/libraries.md shows."""

import dataclasses
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from witness import Witness

from gan_env import PRESETS

FOLDER = Path(__file__).parents[2] / "examples/libraries"
SHORT: dict[str, Any] = {"num_decisions": 5, "updates_per_decision": 1, "metric_samples": 64, "compile": False}


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Witness:
    """What happens in every environment from now on; all are of short runs."""
    monkeypatch.setitem(PRESETS, "points", dataclasses.replace(PRESETS["points"], **SHORT))
    monkeypatch.chdir(tmp_path)  # some libraries write logs
    torch.manual_seed(0)
    return Witness(monkeypatch)


@pytest.fixture
def run_program(witness: Witness) -> Callable[[str], dict[str, Any]]:
    """Runs a program of examples/libraries by its name and gives what it has at its end."""
    return lambda name: runpy.run_path(str(FOLDER / f"{name}.py"))
