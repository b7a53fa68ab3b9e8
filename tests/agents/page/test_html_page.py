"""The page of a report as HTML: complete, self-contained, and wide enough for a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from studies import LEGIBLE, text_height

from agents.page.figures import png
from agents.page.html_page import to_html
from agents.page.markdown_page import bullets, code, picture, table
from agents.study.pictures import WIDTH


def page() -> str:
    figure, axis = plt.subplots(figsize=(WIDTH, 4))
    axis.plot([0, 1], [1, 0])
    cells = table([f"column {i}" for i in range(12)], [[f"a rather long cell {i}" for i in range(12)]] * 3)
    parts = ["# A < page", "Words & more_than_one_word.", bullets(["a [0.1, 0.2] ([0.0, 0.3])", "b"])]
    parts += [picture("curve", "A line."), picture("curve", "Again.")]
    text = "\n\n".join([*parts, "## One, and more", cells, "## Two", "### Part", code("x < y " * 200)])
    return to_html(text, {"curve": png(figure)})


@pytest.mark.parametrize("width", [390, 1280])
def test_wide_tables_and_pictures_fit_a_narrow_screen_and_can_be_read_there(
    check_page: Callable[[Path, int], float], tmp_path: Path, width: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(page())
    assert text_height(check_page(path, width)) > LEGIBLE


def test_every_part_is_shown_as_what_it_is() -> None:
    found = page()
    assert "<title>A &lt; page</title>" in found
    assert "<h1>A &lt; page</h1>" in found and "<h3>Part</h3>" in found
    assert "<p>Words &amp; more_than_one_word.</p>" in found
    assert "<li>a [0.1, 0.2] ([0.0, 0.3])</li>" in found
    assert found.count("<tr>") == 4 and '<div class="wide"><table>' in found
    assert 'alt="A line." src="data:image/png;base64,' in found and "<figcaption>A line.</figcaption>" in found
    assert found.count('<div class="pictures"><figure>') == 1  # side by side
    assert "<pre><code>x &lt; y" in found


def test_sections_are_folded_and_contents_lead_to_them() -> None:
    """What stands before the first of them is not."""
    found = page()
    assert '<nav><a href="#one-and-more">One, and more</a> <a href="#two">Two</a></nav>' in found
    folded = found.partition("<nav>")[2]
    assert folded.count("<details id=") == 2 and '<details id="two"><summary>Two</summary>' in folded
    assert "<details open" not in found and "<figure>" not in folded and "<table>" in folded


def test_a_link_of_the_contents_opens_its_section(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page())
    shown = browser.new_page()
    shown.goto(path.as_uri())
    assert shown.evaluate("document.querySelectorAll('details[open]').length") == 0
    shown.click("text=Two")
    shown.wait_for_selector("#two[open]")
    shown.goto(path.as_uri() + "#one-and-more")
    shown.reload()
    shown.wait_for_selector("#one-and-more[open]")
    shown.close()
