"""Pictures show few policies, the same in the same colours, and those that matter."""

from studies import comparison, row, summary

from agents.study.records import Summary
from agents.study.shown import COLOURS, MOST, colours, main_policies, opponents, rivals, shown


def study(others: int) -> Summary:
    """With `others` opponents besides those that have a place of their own."""
    names = ["best_schedule", "tuned_rates", "ppo_replay", "ppo_rates_replay", "fixed", "cosine", "random", "oracle"]
    names += [f"other_{number}" for number in range(others)]
    found = summary(row(-1.0, against=dict.fromkeys(names, comparison())), strongest="best_schedule")
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


def test_gains_are_over_those_that_are_shown_and_the_best_of_the_others() -> None:
    """The best opponent at the top; without random ones, the oracle and other learners."""
    for others, more in ((0, []), (9, ["other_0"])):
        found = rivals(study(others))
        assert set(found) - set(shown(study(others))) == {"ppo_rates_replay"} if not more else len(found) == MOST
        assert found == [name for name in opponents(study(others)) if name in found]
        assert not {"random", "oracle", "sac", "ppo"} & set(found)
