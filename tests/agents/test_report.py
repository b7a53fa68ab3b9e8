"""`python agents/report.py`: the page of a finished study, and its tables."""

import csv
import gzip
import html
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_study import ROOT
from studies import LEGIBLE, text_height

from agents.report import open_study
from agents.study.records import Summary
from gan_env import ConfigError
from gan_env.evaluation.intervals import iqm


@pytest.fixture(scope="module")
def page(finished: Path, published: Path) -> str:
    return (finished / "report.html").read_text()


def test_the_page_is_one_file_with_everything(page: str) -> None:
    for heading in ("Verdict", "Results on held-out instances", "Cost and stability", "Transfer without retraining",
                    "Ablations and other controllers", "Failure cases", "How to make it again"):  # fmt: skip
        assert f"<h2>{heading}" in page
    assert "The environment is the preset points, changed:" in page and "num_decisions: 4" in page
    assert "with a single training, intervals leave out its luck" in page
    assert page.count("data:image/png;base64,") == page.count("<img ") >= 7
    assert 'src="http' not in page and "href=" not in page
    assert 'name="viewport"' in page


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_shows_in_a_browser(
    check_page: Callable[[Path, int], float], finished: Path, page: str, width: int
) -> None:
    assert text_height(check_page(finished / "report.html", width)) > LEGIBLE


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
    sentences = [line.removeprefix("- ") for line in text.split("## Verdict")[1].split("##")[0].splitlines() if line]
    there = page.split("<h2>Verdict</h2>")[1].split("<h2>")[0]
    assert sentences == [html.unescape(item) for item in re.findall("<li>(.*?)</li>", there)]
    assert len(sentences) == 6  # one of them on the read-out of rates, which is told more


def runs(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def test_every_run_is_a_row(finished: Path, published: Path, summary: Summary) -> None:
    rows = runs(published / "runs.csv.gz")
    counted = Counter((row["setting"], row["policy"]) for row in rows)
    settings = summary.settings.items()
    assert counted == {(s, name): row.runs for s, found in settings for name, row in found.rows.items()}
    mine = [r for r in rows if (r["setting"], r["policy"], r["training_seed"]) == ("held_out", "ppo", "1")]
    found = {column: [row[column] for row in mine] for column in rows[0]}
    with np.load(finished / "evaluations/held_out/ppo-1.npz") as saved:
        metric, crashed = saved["score"], saved["crashed"]
    assert (found["instance"], found["gan_seed"]) == (list("01230123"), list("00001111"))
    for name, expected in {"final": metric[:, -1], "best": metric.min(axis=1), "start": metric[:, 0]}.items():
        np.testing.assert_allclose(np.array(found[name], float), expected, rtol=1e-4)
    assert [value == "1" for value in found["crashed"]] == crashed.tolist()
    assert {row["training_seed"] for row in rows if row["policy"] in ("fixed", "oracle")} == {""}
    assert {row["training_seed"] for row in rows if row["policy"] == "best_schedule"} == {"0", "1"}  # of tunings


def test_the_summary_follows_from_the_rows(published: Path, summary: Summary) -> None:
    found: dict[tuple[str, str], list[float]] = {}
    for run in runs(published / "runs.csv.gz"):
        found.setdefault((run["setting"], run["policy"]), []).append(float(run["final"]))
    for setting, rows in summary.settings.items():
        for name, row in rows.rows.items():
            assert float(iqm(np.array(found[setting, name]))) == pytest.approx(row.iqm.value, abs=1e-4)


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
