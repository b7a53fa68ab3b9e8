"""The README's figures of studies are those of the published reports."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIGURE = re.compile(r"[+-]?\d\.\d+ \[[+-]?\d\.\d+, [+-]?\d\.\d+\]")
ELSEWHERE = ("commit ", "program below")
"""Words of a sentence whose figures are another study's, or printed by a program beside it."""


SECTIONS = {
    "What the study on points says": "points",
    "With five times the training": "points_long",
    "What the study on Fashion-MNIST says": "fashion_mnist",
}


@pytest.mark.parametrize(("heading", "study"), SECTIONS.items())
def test_every_figure_with_an_interval_is_in_the_report(heading: str, study: str) -> None:
    section = (ROOT / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    report = (ROOT / "docs" / "results" / study / "report.md").read_text()
    sentences = re.split(r"(?<=[.:;|])\s", " ".join(section.split()))
    figures = [f for s in sentences if not any(word in s for word in ELSEWHERE) for f in FIGURE.findall(s)]
    assert len(figures) > 20
    assert [figure for figure in figures if figure not in report] == []
