"""The page of a report: escaped, self-contained, wide enough for a phone, and the same as Markdown."""

from collections.abc import Callable
from pathlib import Path

import pytest
from studies import LEGIBLE, text_height

from agents.page.blocks import Block, Code, Heading, Picture, Points, Table, Text, to_html, to_markdown
from agents.page.figures import png
from agents.study.pictures import WIDTH
from gan_env.evaluation.pictures import plt


def blocks() -> list[Block]:
    figure, axis = plt.subplots(figsize=(WIDTH, 4))
    axis.plot([0, 1], [1, 0])
    table = Table([f"column {i}" for i in range(12)], [[f"a rather long cell {i}" for i in range(12)]] * 3)
    picture = Picture("curve", png(figure), "A line <falls>.")
    return [Heading("One"), Text("Words & more."), Points(["a", "b"]), table, picture, Code("x " * 200)]


@pytest.mark.parametrize("width", [390, 1280])
def test_wide_tables_and_pictures_fit_a_narrow_screen_and_can_be_read_there(
    check_page: Callable[[Path, int], float], tmp_path: Path, width: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(to_html("A page", blocks()))
    assert text_height(check_page(path, width)) > LEGIBLE


def test_text_is_escaped() -> None:
    page = to_html("a < b", blocks())
    assert "<title>a &lt; b</title>" in page
    assert "Words &amp; more." in page
    assert "A line &lt;falls&gt;." in page and "<falls>" not in page


def test_markdown_has_every_block() -> None:
    text = to_markdown("A page", blocks(), "figures")
    assert text.startswith("# A page\n\n## One\n\nWords & more.\n\n- a\n- b\n\n| column 0 |")
    assert "| --- | ---: |" in text
    assert "![A line <falls>.](figures/curve.png)" in text
    assert "```\nx x" in text
