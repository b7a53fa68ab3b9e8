"""Better or worse is said only where every interval says so; opponents that know no more come first."""

import re
from dataclasses import replace
from typing import Any

import pytest
from studies import comparison, gain, row, summary

from agents.study.records import Estimate
from agents.study.verdict import sentence, verdict

RIVALS = {"best_schedule": comparison(), "tuned_rates": comparison()}


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ({}, 1),
        ({"over_instances": None}, 1),
        ({"over_instances": (-0.1, 1.5)}, 0),  # on these instances, but not on others
        ({"t95": (-0.5, 2.5)}, 0),  # trainings are too few
        ({"t95": (0.1, 2.5), "over_instances": (0.1, 1.5)}, 1),
        ({"over_instances": (0.0, 1.5)}, 0),
    ],
)
def test_a_gain_is_told_apart_where_all_of_its_intervals_do(intervals: dict[str, Any], expected: int) -> None:
    better = gain(1.0, 0.5, 1.5, **intervals)
    assert better.verdict == expected
    mirrored = {k: v and (-v[1], -v[0]) for k, v in intervals.items()}
    assert gain(-1.0, -1.5, -0.5, **mirrored).verdict == -expected


def test_a_gain_that_other_instances_may_not_show_is_not_told_apart() -> None:
    text = sentence("ppo", "the tuned schedule", gain(1.0, 0.5, 1.5, over_instances=(-0.25, 2.0)))
    assert text == "ppo is not told apart from the tuned schedule: +1.000 [+0.500, +1.500] ([-0.250, +2.000])."


@pytest.mark.parametrize(
    ("value", "expected"), [(0.5, "better than x: .*about 39.3% lower"), (-0.5, "worse than x: .*about 64.9% higher")]
)
def test_a_gain_is_also_said_in_the_metric_itself(value: float, expected: str) -> None:
    assert re.search(expected, sentence("ppo", "x", gain(value, value - 0.1, value + 0.1)))


def test_the_verdict_speaks_first_of_opponents_that_know_no_more() -> None:
    read_outs = {"ppo_replay": comparison(), "ppo_rates_replay": comparison(0.25)}
    found = summary(row(-1.0, seeds=5, against=RIVALS | read_outs), strongest="best_schedule")
    rows = found.settings["held_out"].rows
    rows |= {"ppo_replay": row(), "oracle": row(-2.0, against=RIVALS)}
    rows |= {name: row(told="the rates") for name in ("tuned_rates", "ppo_rates_replay")}
    lines = verdict(found)
    assert lines[0].startswith("ppo (5 trainings) is better than the tuned schedule: +1.000")
    assert lines[1].startswith("Against best_schedule") and "better than 1 of its 1 tunings" in lines[1]
    assert lines[2].startswith("Feedback: ppo is better than ppo_replay, its mean trajectory: +1.000")
    who = "ppo, which is not told the rates, is better than"
    assert lines[3].startswith(f"{who} tuned_rates, which is: +1.000")
    assert lines[4].startswith(f"{who} ppo_rates_replay, which is: +0.250")
    assert lines[5].startswith("The oracle")
    assert lines[6].endswith("0 of 8 with ppo, 2 of 8 with best_schedule.")
    assert len(lines) == 7


def test_where_rates_are_known_the_read_out_of_rates_shows_what_feedback_does() -> None:
    read_outs = {"ppo_replay": comparison(), "ppo_rates_replay": comparison(0.25)}
    found = summary(row(-1.0, against=RIVALS | read_outs))
    found.settings["held_out"].rows.update({name: row() for name in read_outs})
    assert verdict(found)[2].startswith("Feedback: ppo is better than ppo_rates_replay, its mean trajectory: +0.250")


def test_of_one_training_it_is_said_that_another_may_end_otherwise() -> None:
    assert "a single training; another could differ" in verdict(summary())[0]


@pytest.mark.parametrize(("target", "met"), [(0.75, "is met"), (0.85, "is not met"), (None, None)])
def test_a_target_is_met_where_the_probability_reaches_it(target: float | None, met: str | None) -> None:
    line = verdict(summary(target=target))[1]
    assert (f"the target of {target} {met}" in line) if met else ("target" not in line)


def test_a_target_is_not_met_where_other_instances_may_miss_it() -> None:
    unsure = replace(comparison(), probability=Estimate(0.8, (0.7, 0.9), (0.5, 0.95)))
    assert "is not met" in verdict(summary(row(against={**RIVALS, "tuned_rates": unsure}), target=0.75))[1]
