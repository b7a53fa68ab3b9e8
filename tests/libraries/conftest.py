"""Short runs of points, a witness of them, and the programs of docs/libraries.md."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from witness import Witness

from gan_env import PRESETS

PAGE = Path(__file__).parents[2] / "docs/libraries.md"
SHORT: dict[str, Any] = {"num_decisions": 5, "updates_per_decision": 1, "metric_samples": 64, "compile": False}
"""And a run crashes where its metric has risen by a thousandth since the start: a third of them do."""


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Witness:
    """What happens in every environment from now on; all are of short runs that crash easily."""
    monkeypatch.setitem(PRESETS, "points", dataclasses.replace(PRESETS["points"], **SHORT, crash_penalty=1e-3))
    monkeypatch.chdir(tmp_path)  # some libraries write logs
    torch.manual_seed(0)
    return Witness(monkeypatch)


@pytest.fixture
def run_program(witness: Witness) -> Callable[[str, int], dict[str, Any]]:
    """Runs the i-th program below a heading of the page and gives its names."""

    def run(heading: str, i: int = 0) -> dict[str, Any]:
        section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
        names: dict[str, Any] = {}
        exec(re.findall(r"```python\n(.*?)```", section, re.DOTALL)[i], names)
        return names

    return run
