"""Sentences on what feedback adds, and on what a controller that corrects another policy does."""

from typing import Any

import pytest
from summaries import SPREAD, interval, row, summary

from agents.page.conclusions import conclusions


def test_feedback_of_other_controllers_is_said_whatever_it_is() -> None:
    made = summary(interval(0.1, 0.05, 0.15))
    two = {"trained": True, "seeds": 2} | SPREAD
    made["settings"]["held_out"]["policies"] |= {
        "a": row(interval(0.3, 0.2, 0.4), **two) | {"feedback_beyond_rates": {"gain": interval(0.2, 0.1, 0.3)}},
        "b": row(interval(0, -1, 1), **two) | {"feedback": {"gain": interval(-0.2, -0.3, -0.1)}},
    }
    text = "\n".join(conclusions(made))
    assert "feedback pays for a (+0.200 [+0.100, +0.300])" in text and "it costs b (-0.200" in text


def test_feedback_is_said_with_the_doubt_that_other_instances_leave() -> None:
    """Of the learned policy and of others; what feedback is, is said once."""
    unsure = interval(0.1, 0.05, 0.15) | {"over_instances": [-0.02, 0.3]}
    made = summary(unsure)
    made["settings"]["held_out"]["policies"]["lstm"] = row(unsure, trained=True, seeds=2)
    text = "\n".join(conclusions(made))
    doubt = "[-0.020, +0.300] with instances drawn anew as well, which holds 0: on other instances it may be none)"
    assert f"played open loop, +0.100 [+0.050, +0.150] ({doubt}. Feedback is acting on" in text
    assert f"feedback pays for lstm (+0.100 [+0.050, +0.150]; {doubt}; it" in text
    assert text.count("the numbers of the instance included") == 1


def test_feedback_is_what_is_left_beside_the_learning_rates_that_were_given() -> None:
    """A replay of factors can't undo them, so to beat it isn't feedback alone."""
    made = summary(interval(0.2, 0.15, 0.25))
    against = {"gain": interval(0.01, -0.02, 0.04), "probability": interval(0.52, 0.45, 0.6)}
    beyond = {"gain": interval(0.01, -0.05, 0.15), "probability": interval(0.6, 0.5, 0.7)}
    made["settings"]["held_out"]["policies"]["ppo"] |= {
        "against": {"tuned_rates": against},
        "feedback_beyond_rates": beyond,
    }
    text = "\n".join(conclusions(made))
    assert "ppo is not told apart from a tuned schedule of learning rates themselves" in text
    assert "The probability that a run is better: 0.52 [0.45, 0.60]" in text
    assert "That feedback pays is not shown" in text and "Feedback pays" not in text
    assert (
        "better than the one with factors averaged, which can't undo the rates that a run was started with, +0.200"
        in text
    )


@pytest.mark.parametrize(
    ("factors", "rates", "words", "others"),
    [
        (interval(0.1, 0.05, 0.2), interval(0.2, 0.1, 0.3), "Feedback pays: ppo is better", "pays for sac"),
        (interval(-0.03, -0.05, -0.01), interval(0.05, 0.02, 0.08), "Feedback costs: ppo is ", "costs sac"),
        (interval(0.05, 0.02, 0.08), interval(-0.03, -0.05, -0.01), "Feedback costs: ppo is ", "costs sac"),
        (interval(0, -0.1, 0.1), interval(0.05, 0.02, 0.08), "is not shown: ppo is better", "shown to matter for sac"),
    ],
)
def test_feedback_pays_where_it_is_ahead_of_both_read_outs(
    factors: dict[str, Any], rates: dict[str, Any], words: str, others: str
) -> None:
    """Whichever way open loop does best: the mean trajectory of factors, or of the learning rates themselves."""
    made = summary(interval(0.2, 0.15, 0.25))
    both = {"feedback": {"gain": factors}, "feedback_beyond_rates": {"gain": rates}}
    rows = made["settings"]["held_out"]
    rows["policies"]["ppo"] |= both
    rows["policies"] = {"sac": row(interval(0, -1, 1), seeds=3, **both), **rows["policies"]}
    text = "\n".join(conclusions(made))
    assert words in text and others in text


def test_a_controller_that_corrects_another_policy_says_so() -> None:
    assert "ppo corrects a tuned opponent of the kind rates." in conclusions(summary(interval(1, 0, 2), base="rates"))


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_controller_is_compared_with_what_it_corrects(seeds: int) -> None:
    made = summary(interval(0.1, 0.05, 0.15))
    over = {"over_base": {"gain": interval(0.02, 0.01, 0.03)}, "seeds": seeds, "trained": True}
    made["settings"]["held_out"]["policies"]["residual"] = row(interval(0.1, 0.05, 0.15), **over)
    text = "\n".join(conclusions(made))
    whom = "residual_base, which it corrects"
    words = {1: f"against {whom}, one training, so no verdict: +0.020", 2: f"is better than {whom}: +0.020"}
    assert f"residual {words[seeds]}" in text


def test_what_a_controller_corrects_may_be_the_strongest_schedule_and_away_in_a_setting() -> None:
    rival = {"gain": interval(-0.02, -0.04, -0.01), "probability": interval(0.42, 0.35, 0.45)}
    made = summary(interval(0.1, 0.05, 0.15), strongest="residual_base")
    held_out = made["settings"]["held_out"]["policies"]
    held_out["ppo"] |= {"against": {"residual_base": rival}}
    held_out["residual_base"] = row(interval(0.02, 0.01, 0.04), seeds=3, **SPREAD)
    made["settings"]["far"] = {"policies": {"ppo": row(interval(0.1, 0.05, 0.15))}}
    text = "\n".join(conclusions(made))
    assert "On training instances the schedule that residual corrects is the strongest" in text
    assert "In the setting far the schedule that residual corrects, the strongest on training" in text
