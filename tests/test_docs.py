"""The figures of studies in README and docs are those of the published reports."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIGURE = re.compile(r"[+-]?\d\.\d+ \[[+-]?\d\.\d+, [+-]?\d\.\d+\]")
ELSEWHERE = ("commit ", "program below")
"""Words of a sentence whose figures are another study's, or printed by a program beside it."""
SECTIONS = {
    ("README.md", "What the studies say"): ["points", "points_long", "fashion_mnist_14", "fashion_mnist"],
    ("docs/studies.md", "Points"): ["points"],
    ("docs/studies.md", "Points, with five times the training"): ["points_long"],
    ("docs/studies.md", "Fashion-MNIST at 14x14"): ["fashion_mnist_14"],
    ("docs/studies.md", "Fashion-MNIST at 16x16"): ["fashion_mnist"],
}
"""The studies that the figures of a section, by page and heading, are from."""


@pytest.mark.parametrize(("section", "studies"), SECTIONS.items(), ids=" ".join)
def test_every_figure_with_an_interval_is_in_a_report(section: tuple[str, str], studies: list[str]) -> None:
    page, heading = section
    text = (ROOT / page).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    reports = "".join((ROOT / "docs" / "results" / study / "report.md").read_text() for study in studies)
    sentences = re.split(r"(?<=[.:;|])\s", " ".join(text.split()))
    figures = [f for s in sentences if not any(word in s for word in ELSEWHERE) for f in FIGURE.findall(s)]
    assert len(figures) >= 9
    assert [figure for figure in figures if figure not in reports] == []
