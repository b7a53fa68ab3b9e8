"""The page of the study of loops, of made-up results and of the published ones."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from loop_runs import RATES, record

from gan_env.errors import ConfigError

ROOT = Path(__file__).parents[3]


def row(text: str, *begins: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith("| " + " | ".join(begins) + " |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_verdict_holds_gains_at_all_at_the_best_and_at_bad_rates(
    page: ModuleType, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    page.write_page(tmp_path / "loops.md", records)
    text = (tmp_path / "loops.md").read_text()
    _, cells, everywhere, best, worst, equal, crashed, bad = row(text, "step_size")
    assert cells == "8" and crashed == "0 of 24" and bad == "0 of 24"
    assert everywhere.startswith("+1.39 [") and best.startswith("-0.11 [") and worst.startswith("+2.39 [")
    assert equal.startswith("3 [")  # best of 2 of those: 3.4, of 3: 3.025
    assert row(text, "the loop as it is")[6] == "6 of 24"
    assert row(text, "prodigy")[2].startswith("+0.50 [")
    assert text.index("- **step_size**: +1.39") < text.index("| method |")


def test_ends_are_shown_by_the_rate_that_a_loop_is_given(page: ModuleType, records: list[dict[str, Any]]) -> None:
    table = page.by_rate(page.Results(records))
    assert row(table, "method") == ["method", "1e-05", "0.0001", "0.001", "0.01"]
    assert row(table, "the loop as it is") == ["the loop as it is", "5.01", "4.01", "3.01", "6.01"]
    assert row(table, "step_size")[1:] == ["3.12"] * 4 and row(table, "prodigy")[1:] == ["4.01"] * 4


def test_ends_by_rate_are_those_of_the_loops_that_all_methods_have(
    page: ModuleType, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A loop that not all methods have leaves the table as it is, and is named."""
    more = [record("fixed", "fashion_mnist", rate, 0, 9.0) for rate in RATES]
    more.append(record("prodigy", "fashion_mnist", None, 0, 9.0))
    wider = [*records, *(run | {"loop": "hinge"} for run in more)]
    tables = [page.by_rate(page.Results(given)) for given in (records, wider)]
    assert tables[0] == tables[1]
    page.write_page(tmp_path / "page.md", wider)
    assert "Left out: hinge on fashion_mnist, which not all methods played" in (tmp_path / "page.md").read_text()


def test_a_method_of_few_loops_has_no_row_in_the_table_by_rate(
    page: ModuleType, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    """As ADA, which some losses refuse: else it would leave only its own loops in the table."""
    ada = [record("ada", "fashion_mnist", rate, seed, 1.0) for rate in RATES for seed in range(3)]
    tables = [page.by_rate(page.Results(given)) for given in (records, [*records, *ada])]
    assert tables[0] == tables[1]
    page.write_page(tmp_path / "page.md", [*records, *ada])
    text = (tmp_path / "page.md").read_text()
    assert "that a loop is given. Without ada, played in at most half of the loops:" in text
    assert row(text, "ada", "4")[2].startswith("+")


def test_cells_come_failures_first(page: ModuleType, records: list[dict[str, Any]], tmp_path: Path) -> None:
    page.write_page(tmp_path / "loops.md", records)
    section = (tmp_path / "loops.md").read_text().split("## step_size\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| dcgan")]
    assert [line.split("|")[3].strip() for line in rows] == [
        f"{r:g}" for r in (1e-3, 1e-4, 1e-5, 1e-2) for _ in range(2)
    ]
    assert row(section, "dcgan", "photo_tiles", "0.01")[3:] == [
        "3", "6.01", "3.12", "+2.89 [+2.88, +2.90]", "+2.89", "+2.89", "3 / 0"
    ]  # fmt: skip


def test_a_data_set_may_have_more_seeds_than_another(
    page: ModuleType, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Here one seed of all, and two more on tiles of the loop as it is and of the rule."""
    kept = [r for r in records if r["seed"] == 0 or (r["data"] == "photo_tiles" and r["method"] != "prodigy")]
    page.write_page(tmp_path / "loops.md", kept)
    text = (tmp_path / "loops.md").read_text()
    assert "Seeds: at least 3 on photo_tiles of the loop as it is, step_size; 1 elsewhere: of one seed" in text
    wide, more, _ = text.split("```sh\n")[1].split("\n", 2)
    assert "--seeds 1 --loops dcgan --data fashion_mnist photo_tiles" in wide and "prodigy random --draws 4" in wide
    assert "--seeds 3 --loops dcgan --data photo_tiles" in more and more.endswith("--methods fixed step_size")
    assert row(text.split("## prodigy")[1], "dcgan", "photo_tiles", "0.01")[3:6] == ["1", "6.00", "4.00"]


def test_what_was_not_played_is_named(page: ModuleType, records: list[dict[str, Any]], tmp_path: Path) -> None:
    other = [record("fixed", "photo_tiles", rate, 0, 4.0) | {"loop": "hinge"} for rate in RATES]
    fewer = [run for run in records if (run["data"], run["lr_g"]) != ("fashion_mnist", 1e-2)]
    page.write_page(tmp_path / "loops.md", [*fewer, *other])
    text = (tmp_path / "loops.md").read_text()
    gaps = "dcgan on fashion_mnist at 0.01, hinge on fashion_mnist, random rates in hinge on photo_tiles"
    assert f"Not played: {gaps}, all of wgan_gp, all of r3gan." in text


def test_the_published_page_is_that_of_the_published_runs(
    page: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    published, path = ROOT / "docs/results/loops.md", Path("docs/results/loops.md")
    monkeypatch.chdir(tmp_path)
    path.parent.mkdir(parents=True)
    page.write_page(path, [json.loads(line) for line in published.with_suffix(".jsonl").read_text().splitlines()])
    assert path.read_text() == published.read_text()


def test_without_the_loop_as_it_is_there_is_no_page(page: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fixed"):
        page.write_page(tmp_path / "loops.md", [record("ada", "photo_tiles", 1e-3, 0, 1.0)])
