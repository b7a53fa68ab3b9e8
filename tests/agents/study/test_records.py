"""A study's records come back from JSON as they were."""

import json
from pathlib import Path

import pytest
from studies import comparison, gain, row, summary

from agents.study.records import Ablation, Estimate, read_summary, write_summary
from gan_env import DataError


def test_a_summary_is_read_back_as_it_was(tmp_path: Path) -> None:
    """With what may be missing there and missing, nested in mappings and tuples."""
    ablation = Ablation("blind", "ppo", (1, 2), Estimate(0.5, (0.0, 1.0)), comparison(over_instances=None))
    mine = row(-1.0, against={"best_schedule": comparison(t95=(0.0, 2.0))}, by_seed=(0.5, 1.5), spread_over_seeds=0.5)
    made = summary(mine, ablations=(ablation, ablation), by_tuning=(gain(1.0, 0.0, 2.0),), notes=("why",))
    write_summary(tmp_path / "summary.json", made)
    assert read_summary(tmp_path / "summary.json") == made


def test_a_summary_of_another_version_is_refused_with_help(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary(path, summary())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 1}))
    with pytest.raises(DataError, match=r"has version 1: expected \d; write the report again"):
        read_summary(path)
