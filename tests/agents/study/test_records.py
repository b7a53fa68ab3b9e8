"""A study's records as text and as JSON."""

import json
from pathlib import Path

from studies import gain, row, summary

from agents.study.records import write_summary


def test_a_policy_that_is_told_more_is_marked_by_what() -> None:
    assert row().title("fixed") == "constants"
    assert row(told="the rates").title("tuned_rates") == "tuned rates (told the rates)"


def test_a_summary_is_written_with_its_version(tmp_path: Path) -> None:
    """With what may be missing there and missing, nested in mappings and tuples."""
    mine = row(-1.0, against={"best_schedule": gain(1.0, 0.0, 2.0, t95=(0.0, 2.0))})
    write_summary(tmp_path / "summary.json", summary(mine))
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["version"] == 6
    written = found["settings"]["held_out"]["rows"]["ppo"]
    assert (written["iqm"]["value"], written["spread_over_seeds"]) == (-1.0, None)
    assert written["against"]["best_schedule"]["t95"] == [0.0, 2.0]
