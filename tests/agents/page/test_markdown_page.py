"""The page of a report as HTML: complete, self-contained, and wide enough for a phone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from studies import LEGIBLE, text_height

from agents.page.figures import png
from agents.page.markdown_page import bullets, code, picture, table, to_html
from agents.study.pictures import WIDTH
from gan_env.evaluation.pictures import plt


def page() -> str:
    figure, axis = plt.subplots(figsize=(WIDTH, 4))
    axis.plot([0, 1], [1, 0])
    cells = table([f"column {i}" for i in range(12)], [[f"a rather long cell {i}" for i in range(12)]] * 3)
    parts = ["# A < page", "## One", "Words & more_than_one_word.", bullets(["a [0.1, 0.2] ([0.0, 0.3])", "b"]), cells]
    text = "\n\n".join([*parts, picture("curve", "A line."), code("x < y " * 200)])
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
    assert "<h1>A &lt; page</h1>" in found and "<h2>One</h2>" in found
    assert "<p>Words &amp; more_than_one_word.</p>" in found
    assert "<li>a [0.1, 0.2] ([0.0, 0.3])</li>" in found
    assert found.count("<tr>") == 4 and '<div class="wide"><table>' in found
    assert 'alt="A line." src="data:image/png;base64,' in found and "<em>A line.</em>" in found
    assert "<pre><code>x &lt; y" in found
