"""The page of the study of loops, of made-up results and of the published ones."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gan_env.errors import ConfigError

ROOT = Path(__file__).parents[3]
RATES = (1e-5, 1e-4, 1e-3, 1e-2)
PLAIN = {1e-5: 5.0, 1e-4: 4.0, 1e-3: 3.0, 1e-2: 6.0}
"""How the loop as it is ends by its rate."""


def record(
    method: str, data: str, rate: float | None, seed: int, score: float, crashed: bool = False
) -> dict[str, Any]:
    scores = [score + 0.2, score + 0.1, score]
    return {
        "loop": "dcgan", "data": data, "method": method, "seed": seed, "lr_g": rate, "lr_d": rate, "updates": 3000,
        "samples": 2000, "width": None, "untrained": 6.5, "log_metric": scores, "score": scores, "crashed": crashed,
    }  # fmt: skip


@pytest.fixture
def records() -> list[dict[str, Any]]:
    """The rule always ends at 3.1 and a bit, the optimiser at 4; random runs at 5, 4, 3.1 and 3."""
    found = []
    for data in ("fashion_mnist", "photo_tiles"):
        for seed in range(3):
            bit = 0.01 * seed
            found += [record("fixed", data, rate, seed, PLAIN[rate] + bit, rate == 1e-2) for rate in RATES]
            found += [record("step_size", data, rate, seed, 3.1 + 2 * bit) for rate in RATES]
            found.append(record("prodigy", data, None, seed, 4 + bit))
        found += [record("random", data, 1e-3 + place, 0, score) for place, score in enumerate((5.0, 4.0, 3.1, 3.0))]
    return found


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


def test_pairs_alone_count(page: ModuleType, records: list[dict[str, Any]]) -> None:
    """Where a stop has left seeds of one method alone."""
    extra = [record("step_size", "photo_tiles", 1e-3, 3, 0.0), record("fixed", "photo_tiles", 1e-3, 4, 9.0)]
    results = page.Results([*records, *extra])
    cell = page.Cell("dcgan", "photo_tiles", 1e-3)
    assert results.gains("step_size", cell) == pytest.approx([-0.1, -0.11, -0.12])


def test_the_interval_draws_cells_and_seeds(page: ModuleType) -> None:
    between = page.mean_and_interval([np.array([0.0, 0.0]), np.array([1.0, 1.0])])
    within = page.mean_and_interval([np.array([0.0, 1.0])])
    assert between == within == "+0.50 [+0.00, +1.00]"
    assert page.mean_and_interval([]) == ""


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
