"""Programs that a reader would copy run, and print the figures that stand beside them."""

import dataclasses
import re
from pathlib import Path

import pytest
from plain_names import of_a_loop
from trainings import tiny

from agents.learning.controllers import train
from agents.learning.run_folder import RunFolder
from gan_env import PRESETS

ROOT = Path(__file__).parents[1]
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


def section(page: str, heading: str) -> str:
    return (ROOT / page).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.usefixtures("clothes")
def test_the_distances_of_real_images_are_those_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To a hundredth, or to the last digit that is shown: another processor rounds otherwise."""
    monkeypatch.chdir(ROOT)
    exec(PROGRAM.findall((ROOT / "docs/images.md").read_text())[0], {})
    table = section("docs/images.md", "How near to the data?").split("| real images | distance |\n|---|---|\n")[1]
    rows = [line.split("|")[2] for line in table.split("\n\n")[0].splitlines()]
    shown = [float(number) for row in rows for number in re.findall(r"\d+\.\d", row)]
    printed = [float(number) for number in re.findall(r"\d+\.\d", capsys.readouterr().out)]
    assert len(shown) == 8
    assert [x for x in shown if not any(abs(x - y) <= max(0.1001, 0.01 * x) for y in printed)] == []


def test_the_readmes_programs_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In turn, in one session; with fewer updates on points, which are not compiled, and what `make train` trained."""
    small = dataclasses.replace(PRESETS["points"], compile=False, updates_per_decision=1, metric_samples=64)
    monkeypatch.setitem(PRESETS, "points", small)
    train("ppo", tiny("ppo"), RunFolder(tmp_path / "logs/ppo/gan_env-Points-v1_1", "controller"))
    monkeypatch.chdir(tmp_path)
    programs, names = PROGRAM.findall((ROOT / "README.md").read_text()), of_a_loop()
    assert programs
    for program in programs:
        exec(program, names)
