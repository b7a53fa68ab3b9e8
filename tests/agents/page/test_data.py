"""A study's numbers as tables for others; test_report.py reads those of a whole study."""

import csv
import io
from dataclasses import replace

from studies import comparison, row, summary

from agents.page.data import policies_csv


def test_gains_over_the_strongest_schedule_stand_beside_those_over_the_usual_one() -> None:
    """Each with the ends of both intervals. Of the strongest itself there are none."""
    against = {"best_schedule": comparison(1.0, 0.75, 1.25), "tuned_rates": comparison(0.125, -0.125, 0.375)}
    rows = {"ppo": row(-2.0, seeds=5, crashes=3, against=against), "tuned_rates": row(against={})}
    held_out = replace(summary().settings["held_out"], rows=rows)
    mine, strongest = csv.DictReader(io.StringIO(policies_csv(summary(settings={"far": held_out})).decode()))
    plain = {"setting": "far", "policy": "ppo", "seeds": "5", "runs": "8", "crashes": "3"}
    scores = {"iqm": "-2", "iqm_low": "-2.5", "iqm_high": "-1.5"}
    ends = ("", "_low", "_high", "_low_over_instances", "_high_over_instances")
    values = {
        "gain": ("1", "0.75", "1.25", "0.75", "1.25"),
        "probability": ("0.8", "0.7", "0.9", "0.65", "0.95"),
        "gain_over_strongest": ("0.125", "-0.125", "0.375", "-0.125", "0.375"),
        "probability_over_strongest": ("0.8", "0.7", "0.9", "0.65", "0.95"),
    }
    found = {f"{name}{end}": value for name, parts in values.items() for end, value in zip(ends, parts, strict=True)}
    assert mine == plain | scores | found
    assert {strongest[name] for name in found} == {""}
