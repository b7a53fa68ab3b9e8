"""A study's numbers as tables for others; test_compare.py reads those of a whole study."""

import csv
import io
from typing import Any

from agents.page.data import policies_csv


def estimate(value: float) -> dict[str, Any]:
    return {"value": value, "ci95": [value - 0.25, value + 0.25], "over_instances": [value - 0.5, value + 0.5]}


def compared(gain: float, probability: float) -> dict[str, Any]:
    return {"gain": estimate(gain), "probability": estimate(probability)}


def test_gains_over_the_strongest_schedule_stand_beside_those_over_the_usual_one() -> None:
    """Of the strongest itself there are none."""
    base = {"seeds": 5, "n": 20, "iqm": -2.0, "ci95": [-2.5, -1.5], "crashes": 3}
    rows = {
        "ppo": base | compared(1.0, 0.75) | {"against": {"tuned_rates": compared(0.125, 0.5), "other": compared(9, 9)}},
        "tuned_rates": base | compared(0.5, 0.625) | {"against": {"other": compared(9, 9)}},
    }
    text = policies_csv({"strongest": "tuned_rates", "settings": {"far": {"policies": rows}}}).decode()
    mine, strongest = csv.DictReader(io.StringIO(text))
    plain = {"setting": "far", "policy": "ppo", "seeds": "5", "runs": "20", "crashes": "3"}
    scores = {"iqm": "-2", "iqm_low": "-2.5", "iqm_high": "-1.5"}
    usual = {
        "gain": "1", "gain_low": "0.75", "gain_high": "1.25", "gain_low_over_instances": "0.5",
        "gain_high_over_instances": "1.5", "probability": "0.75", "probability_low": "0.5", "probability_high": "1",
    }  # fmt: skip
    again = {
        "gain_over_strongest": "0.125", "gain_over_strongest_low": "-0.125", "gain_over_strongest_high": "0.375",
        "probability_over_strongest": "0.5", "probability_over_strongest_low": "0.25",
        "probability_over_strongest_high": "0.75",
    }  # fmt: skip
    assert mine == plain | scores | usual | again
    assert {strongest[column] for column in again} == {""}
