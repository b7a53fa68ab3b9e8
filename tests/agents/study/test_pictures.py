"""Pictures show few policies, the same in the same colours, and those that matter."""

from dataclasses import replace

from studies import comparison, row, summary

from agents.study.pictures import COLOURS, MOST, colours, main_policies, rivals, shown
from agents.study.records import Cost, Summary


def study(others: int) -> Summary:
    """With `others` opponents besides those that have a place of their own."""
    names = ["best_schedule", "tuned_rates", "ppo_replay", "ppo_rates_replay", "fixed", "cosine", "random", "oracle"]
    names += [f"other_{number}" for number in range(others)]
    found = summary(
        row(-1.0, against={n: comparison(float(rank)) for rank, n in enumerate(names)}), strongest="best_schedule"
    )
    rows = found.settings["held_out"].rows
    rows |= {name: row(float(rank)) for rank, name in enumerate(names)}
    rows |= {name: row(-0.5, told="the rates") for name in ("tuned_rates", "ppo_rates_replay")}
    rows |= {"sac": row(-2.0)}
    return found


def test_the_learned_one_the_best_opponent_constants_and_a_usual_schedule_are_the_main_ones() -> None:
    assert main_policies(study(0)) == ["ppo", "best_schedule", "fixed", "cosine"]
    assert main_policies(summary()) == ["ppo", "tuned_rates", "fixed"]  # there is no cosine


def test_the_mean_trajectory_and_one_that_is_told_more_are_shown_as_well() -> None:
    assert shown(study(9)) == [*main_policies(study(9)), "ppo_replay", "tuned_rates"]


def test_colours_are_different_and_no_more_than_can_be_told_apart() -> None:
    assert len(set(COLOURS)) == len(COLOURS) == MOST
    found = colours(study(20))
    assert list(found) == shown(study(20)) and len(set(found.values())) == len(found)


def test_gains_are_over_those_that_are_shown_and_others_of_which_tuned_ones_come_first() -> None:
    """The least gain at the top; without random ones, the oracle and other learners."""
    found = study(9)
    rows = found.settings["held_out"].rows
    rows["other_8"] = replace(rows["other_8"], found=Cost(gan_updates=100.0))
    own = [name for name in shown(found) if name != "ppo"]
    against = rows["ppo"].against
    expected = [*own, "other_8", "ppo_rates_replay"]  # the other is the best that was not tuned
    assert rivals(found) == sorted(expected, key=lambda name: against[name].gain.value)
    assert len(rivals(found)) == MOST
