"""The report in a real browser without a network: every picture shows, and a phone is wide enough."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.report_page import Code, Heading, Picture, Points, Table, Text, to_html
from baselines.pictures import plt

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {BROWSERS} is there")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def page_file(folder: Path) -> Path:
    from agents.report_figures import png

    figure, axis = plt.subplots(figsize=(9, 4))
    axis.plot([0, 1], [1, 0])
    table = Table([f"column {i}" for i in range(12)], [[f"a rather long cell {i}" for i in range(12)]] * 3)
    picture = Picture("curve", png(figure), "A line <falls>.")
    blocks = [Heading("One"), Text("Words & more."), Points(["a", "b"]), table, picture, Code("x " * 200)]
    path = folder / "report.html"
    path.write_text(to_html("A page", blocks))
    return path


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_opens_offline_shows_its_pictures_and_fits(browser: Any, tmp_path: Path, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, offline=True)
    page = context.new_page()
    requested: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(page_file(tmp_path).as_uri())
    widths = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert widths and all(widths)
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # tables scroll by themselves
    assert page.evaluate("document.querySelector('.wide').scrollWidth") > 0
    assert page.locator("figcaption").inner_text() == "A line <falls>."
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []
    assert errors == []
    context.close()
