"""The figures of studies are those of the published reports, and the programs that a reader would copy run."""

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
FIGURE = re.compile(r"[+-]?\d\.\d+ \[[+-]?\d\.\d+, [+-]?\d\.\d+\]")
ELSEWHERE = ("commit ", "program below")
"""Words of a sentence whose figures are another study's, or printed by a program beside it."""
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
REPORTS = {
    "Points": "points",
    "Fashion-MNIST at 16x16": "fashion_mnist",
}
"""By heading of docs/studies.md."""


def section(page: str, heading: str) -> str:
    return (ROOT / page).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(("heading", "study"), REPORTS.items())
def test_every_figure_with_an_interval_is_in_the_report(heading: str, study: str) -> None:
    """In that of the study, or in the page of points that a sentence points to, where the program stands."""
    report, points = ((ROOT / "docs" / name).read_text() for name in (f"results/{study}/report.md", "points.md"))
    sentences = re.split(r"(?<=[.:;|])\s", " ".join(section("docs/studies.md", heading).split()))
    sentences = [s for s in sentences if not any(word in s for word in ELSEWHERE)]
    figures = [(figure, points if "(points.md" in s else report) for s in sentences for figure in FIGURE.findall(s)]
    assert len(figures) > 20
    assert [figure for figure, page in figures if figure not in page] == []


def test_the_readmes_figures_of_studies_are_in_their_page() -> None:
    figures, page = FIGURE.findall(section("README.md", "What the studies say")), (ROOT / "docs/studies.md").read_text()
    assert len(figures) >= 16
    assert [figure for figure in figures if figure not in page] == []


def test_the_intervals_of_the_stricter_test_are_those_of_its_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    page = section("docs/studies.md", "How sure are the intervals?")
    exec(PROGRAM.findall(page)[0], {})
    assert FIGURE.findall(page) == FIGURE.findall(capsys.readouterr().out)


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


@pytest.mark.parametrize("page", ["README.md", "docs/studies.md"])
def test_programs_run(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One after the other in the same session; with fewer updates on points, which are not compiled."""
    small = dataclasses.replace(PRESETS["points"], compile=False, updates_per_decision=1, metric_samples=64)
    monkeypatch.setitem(PRESETS, "points", small)
    (tmp_path / "docs").symlink_to(ROOT / "docs")  # they read docs/results, and what `make train` trained
    train("ppo", tiny("ppo"), RunFolder(tmp_path / "logs/ppo/gan_env-Points-v1_1", "controller"))
    monkeypatch.chdir(tmp_path)
    programs, names = PROGRAM.findall((ROOT / page).read_text()), of_a_loop()
    assert programs
    for program in programs:
        exec(program, names)
