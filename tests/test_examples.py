"""Every program in examples/ runs as it stands, by the command in its first line, and shows what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHOWS = {
    "own_data.py": ["('ring', 'triangle'): sliced Wasserstein", "('stripes',): Frechet distance", "trained"],
    "own_instances.py": ["6 instances, networks of width 48", "100 instances", "pinned: True", "after None: 4"],
    "own_judgement.py": ["5: mean_and_spread", "confidence", "reward"],
    "own_policy.py": ["fixed ", "cautious ", "sawtooth "],
}
"""By program: what it prints."""


@pytest.mark.parametrize("program", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_an_example_runs_as_it_stands(program: str) -> None:
    assert f"`python examples/{program}`" in (ROOT / "examples" / program).read_text().split('"""')[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, f"examples/{program}"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert [text for text in SHOWS[program] if text not in ran.stdout] == []
