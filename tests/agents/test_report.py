"""`python agents/report.py`: the page of a finished study, and its tables."""

import html
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from programs import call
from small_study import ROOT
from studies import LEGIBLE, text_height

from agents.report import open_study
from agents.study.records import Summary
from gan_env import ConfigError
from gan_env.evaluation.intervals import iqm


@pytest.fixture(scope="module")
def page(finished: Path, published: Path) -> str:
    return (finished / "report.html").read_text()


SECTIONS = (
    "Results on held-out instances", "Single runs", "Elsewhere, without training anew", "Ablations", "Where it loses",
    "Cost and stability", "How it was measured", "How to make it again",
)  # fmt: skip


def test_the_page_is_one_file_with_everything(page: str) -> None:
    for heading in SECTIONS:
        assert f"<summary>{heading}</summary>" in page
    assert "The environment is the preset points, changed:" in page and "num_decisions: 4" in page
    assert "With a single training, intervals leave out its luck" in page
    assert page.count("data:image/png;base64,") == page.count("<img ") >= 7
    assert 'src="http' not in page and 'href="http' not in page
    assert 'name="viewport"' in page


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_shows_in_a_browser(
    check_page: Callable[[Path, int], float], finished: Path, page: str, width: int
) -> None:
    assert text_height(check_page(finished / "report.html", width)) > LEGIBLE


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_verdict_and_pictures_come_first(browser: Any, finished: Path, page: str, width: int, height: int) -> None:
    """Five lines on the first screen, and the first picture within one screen and a half; on a desktop all three."""
    shown = browser.new_page(viewport={"width": width, "height": height})
    shown.goto((finished / "report.html").as_uri())
    bottom = "const end = (e) => e.getBoundingClientRect().bottom; "
    lines = shown.evaluate(f"() => {{ {bottom} return [...document.querySelectorAll('body > ul > li')].map(end); }}")
    figures = shown.evaluate(
        f"() => {{ {bottom} return [...document.querySelectorAll('body > .pictures > figure')].map(end); }}"
    )
    shown.close()
    assert len(lines) == 5 and max(lines) < height
    assert len(figures) == 3 and figures[0] < 1.5 * height
    assert width < 1000 or max(figures) < height


def test_no_label_is_a_code_name(browser: Any, finished: Path, page: str) -> None:
    """Outside of commands and options."""
    shown = browser.new_page()
    shown.goto((finished / "report.html").as_uri())
    shown.evaluate("document.querySelectorAll('pre, code').forEach(part => part.remove())")
    shown.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    words = shown.inner_text("body").split()
    shown.close()
    assert len(words) > 500 and [word for word in words if "_" in word] == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("study", sorted(path.parent.name for path in ROOT.glob("docs/results/*/report.html")))
def test_committed_pages_show_in_a_browser(check_page: Callable[[Path, int], float], study: str, width: int) -> None:
    """How small their text is isn't asked: studies of which only the page is kept can't be drawn again."""
    check_page(ROOT / "docs/results" / study / "report.html", width)


def test_markdown_says_the_same_and_has_its_pictures(finished: Path, page: str) -> None:
    text = (finished / "report.md").read_text()
    names = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(names) == page.count("<img ")
    for name in names:
        assert (finished / name).read_bytes().startswith(b"\x89PNG")
    lines = [line.removeprefix("- ").replace("**", "") for line in text.splitlines() if line.startswith("- **")]
    there = re.findall("<li>(.*?)</li>", page.partition("<nav>")[0])
    assert lines == [re.sub("<.*?>", "", html.unescape(item)) for item in there]
    leads = ["Best opponent that knows no more", "Feedback", "Told more (the rates)", "Speed"]
    assert [line.split(":")[0] for line in lines] == [*leads, "Elsewhere, over the tuned schedule"]


def test_every_run_is_a_row(finished: Path, published: Path, summary: Summary) -> None:
    table = pq.read_table(published / "runs.parquet")
    rows = table.to_pylist()
    counted = Counter((row["setting"], row["policy"]) for row in rows)
    settings = summary.settings.items()
    assert counted == {(s, name): row.runs for s, found in settings for name, row in found.rows.items()}
    mine = [r for r in rows if (r["setting"], r["policy"], r["training_seed"]) == ("held_out", "ppo", 1)]
    found = {column: [row[column] for row in mine] for column in table.column_names}
    with np.load(finished / "evaluations/held_out/ppo-1.npz") as saved:
        metric, crashed = saved["score"], saved["crashed"]
    assert (found["instance"], found["gan_seed"]) == ([0, 1, 2, 3] * 2, [0] * 4 + [1] * 4)
    for name, expected in {"final": metric[:, -1], "best": metric.min(axis=1), "start": metric[:, 0]}.items():
        np.testing.assert_allclose(found[name], expected, atol=1e-4)
    assert found["crashed"] == crashed.tolist()
    assert {row["training_seed"] for row in rows if row["policy"] in ("fixed", "oracle")} == {None}
    assert {row["training_seed"] for row in rows if row["policy"] == "best_schedule"} == {0, 1}  # of tunings


def test_the_summary_follows_from_the_rows(published: Path, summary: Summary) -> None:
    found: dict[tuple[str, str], list[float]] = {}
    for run in pq.read_table(published / "runs.parquet").to_pylist():
        found.setdefault((run["setting"], run["policy"]), []).append(run["final"])
    for setting, rows in summary.settings.items():
        for name, row in rows.rows.items():
            assert float(iqm(np.array(found[setting, name]))) == pytest.approx(row.iqm.value, abs=2e-4)


def test_a_study_that_is_not_done_is_refused_with_help(finished: Path, tmp_path: Path) -> None:
    """A report on it would begin to tune what is missing."""
    shutil.copytree(finished / "study", tmp_path / "study")
    with pytest.raises(
        ConfigError, match=r"is not finished; continue it with `python agents/compare\.py experiment=points"
    ):
        open_study(str(tmp_path))


def test_a_folder_without_a_study_is_refused_with_help(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agents/compare\.py"):
        open_study(str(tmp_path))


def test_what_is_refused_is_one_line_on_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "agents/report.py"), str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert refused.returncode != 0
    assert refused.stderr.startswith("error: RUN=") and refused.stderr.count("\n") == 1


def test_a_place_for_publishing_that_cannot_be_written_to_is_refused(finished: Path) -> None:
    done = call("agents/report.py", str(finished), "--to", "/proc/nothing")
    assert done.stderr.startswith("error: --to='/proc/nothing' can't be used")
