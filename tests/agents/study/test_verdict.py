"""Better or worse is said only where every interval says so; opponents that know no more come first."""

from dataclasses import replace

import pytest
from studies import comparison, row, summary

from agents.study.records import SettingSummary
from agents.study.verdict import than, verdict
from gan_env.evaluation.comparison import Estimate

RIVALS = {"best_schedule": comparison(), "tuned_rates": comparison()}


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (0.5, 0.4, 0.6, "better than PPO's mean trajectory, open loop, 39 % lower [33, 45]"),
        (-0.5, -0.6, -0.4, "worse than PPO's mean trajectory, open loop, 65 % higher [49, 82]"),
        (0.01, -0.1, 0.1, "not told apart from PPO's mean trajectory, open loop, 1 % lower [-11, 10]"),
    ],
)
def test_a_comparison_is_said_in_per_cent_of_the_metric_itself(
    value: float, low: float, high: float, expected: str
) -> None:
    assert than("ppo_replay", comparison(value, low, high)) == expected


def test_the_verdict_is_five_lines_and_speaks_first_of_opponents_that_know_no_more() -> None:
    read_outs = {"ppo_replay": comparison(), "ppo_rates_replay": comparison(0.25)}
    found = summary(row(-1.0, seeds=5, against=RIVALS | read_outs), strongest="best_schedule", target=0.75)
    rows = found.settings["held_out"].rows
    rows |= {"ppo_replay": row(), "oracle": row(-2.0, against=RIVALS)}
    told = {"told": "the rates", "against": {"best_schedule": comparison(1.25)}}
    rows |= {"tuned_rates": row(-0.7, **told), "ppo_rates_replay": row(-0.2, **told)}
    assert verdict(found) == [
        "Best opponent that knows no more: better than tuned schedule, 63 % lower [39, 78]; P(better) 0.80 "
        "[0.66, 0.95], the target of 0.75 is met.",
        "Feedback: better than PPO's mean trajectory, open loop, 63 % lower [39, 78].",
        "Told more (the rates): better than tuned rates, 63 % lower [39, 78]; has 80 % of its gain over the "
        "tuned schedule.",
        "Speed: as good as the tuned schedule ends with 25 % of the updates left [10, 40].",
        "Crashed runs, which count with their penalty: 0 of 8 with PPO, 2 of 8 with tuned schedule.",
    ]


def test_in_other_settings_it_is_said_where_it_is_better_and_where_it_is_worse() -> None:
    found = summary()
    for name, value in (("new_instances", 1.0), ("longer", -1.0), ("slower_learning", 1.0), ("without_it", None)):
        mine = (
            {}
            if value is None
            else {"ppo": row(against={"best_schedule": comparison(value, value - 0.5, value + 0.5)})}
        )
        found.settings[name] = SettingSummary("a distance", mine)
    assert verdict(found)[-1] == (
        "Elsewhere, over the tuned schedule: better in new instances, slower learning; worse in longer."
    )


def test_where_rates_are_known_the_read_out_of_rates_shows_what_feedback_does() -> None:
    read_outs = {"ppo_replay": comparison(), "ppo_rates_replay": comparison(0.25)}
    found = summary(row(-1.0, against=RIVALS | read_outs))
    found.settings["held_out"].rows.update({name: row() for name in read_outs})
    assert verdict(found)[1].startswith("Feedback: better than PPO's mean rates, open loop, 22 % lower")


def test_nobody_s_gain_is_shared_where_those_that_are_told_more_have_none() -> None:
    found = summary(row(-1.0, against=RIVALS), strongest="best_schedule")
    unsure = {"best_schedule": comparison(0.1, -0.1, 0.3)}
    found.settings["held_out"].rows["tuned_rates"] = row(told="the rates", against=unsure)
    assert "of its gain" not in verdict(found)[1]


@pytest.mark.parametrize(("target", "met"), [(0.75, "is met"), (0.85, "is not met"), (None, None)])
def test_a_target_is_met_where_the_probability_reaches_it(target: float | None, met: str | None) -> None:
    line = verdict(summary(target=target))[0]
    assert (f"the target of {target} {met}" in line) if met else ("target" not in line)


def test_a_target_is_not_met_where_other_instances_may_miss_it() -> None:
    unsure = replace(comparison(), probability=Estimate(0.8, (0.7, 0.9), (0.5, 0.95)))
    assert "is not met" in verdict(summary(row(against={**RIVALS, "tuned_rates": unsure}), target=0.75))[0]
