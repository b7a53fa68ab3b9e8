"""A study's records as text and as JSON."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import gain, row, summary

from agents.study.records import Estimate, write_summary


def test_an_estimate_is_written_with_its_intervals() -> None:
    assert Estimate(0.814, (0.76, 0.87), (0.72, 0.9)).text() == "0.81 [0.76, 0.87] ([0.72, 0.90])"
    assert gain(0.5, -0.25, 0.75, over_instances=None).text() == "+0.500 [-0.250, +0.750]"


def test_a_policy_that_is_told_more_is_marked_by_what() -> None:
    assert row().title("fixed") == "constants"
    assert row(told="the rates").title("tuned_rates") == "tuned rates (told the rates)"


def test_a_gain_in_per_cent_is_of_the_metric_itself_with_the_wider_interval() -> None:
    assert gain(0.5, 0.4, 0.6, over_instances=(-0.1, 1.1)).percent == pytest.approx((39.3, -10.5, 66.7), abs=0.05)
    assert gain(0.5, 0.4, 0.6, over_instances=None).percent == pytest.approx((39.3, 33.0, 45.1), abs=0.05)


@given(st.floats(-3, 3), st.floats(0, 1), st.floats(0, 1))
def test_the_words_of_a_gain_have_the_value_within_its_interval(value: float, below: float, above: float) -> None:
    words = gain(value, value - below, value + above).in_percent()
    number, low, high = map(int, re.findall(r"-?\d+", words))
    assert low <= number <= high and number >= 0
    assert ("lower" in words) == (value >= 0)


def test_a_summary_is_written_with_its_version(tmp_path: Path) -> None:
    """With what may be missing there and missing, nested in mappings and tuples."""
    mine = row(-1.0, against={"best_schedule": gain(1.0, 0.0, 2.0, t95=(0.0, 2.0))})
    write_summary(tmp_path / "summary.json", summary(mine))
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["version"] == 6
    written = found["settings"]["held_out"]["rows"]["ppo"]
    assert (written["iqm"]["value"], written["spread_over_seeds"]) == (-1.0, None)
    assert written["against"]["best_schedule"]["t95"] == [0.0, 2.0]
