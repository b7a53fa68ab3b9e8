"""When training has paid for itself, against values worked out by hand."""

import numpy as np
import pytest
from studies import episodes, row

from agents.study.records import Cost
from agents.study.summary import break_even
from gan_env.evaluation.rollout import Episodes

ROWS = {
    "ppo": row(found=Cost(1000.0)),
    "fixed": row(),  # nothing was trained or tuned
    "tuned_rates": row(found=Cost(1000.0)),
}
FAST, SLOW = [0.0, -2.0, -2.0, -2.0, -2.0], [0.0, -0.5, -1.0, -1.5, -2.0]


def runs(*curves: list[float]) -> list[Episodes]:
    """One instance, of which every curve is a run; a run has 100 updates, and the opponents' end at -2."""
    return [episodes(list(curves))]


def test_break_even_is_what_training_took_over_what_a_run_saves() -> None:
    """25 updates instead of 100; tuning took as much as training."""
    played = {"ppo": runs(FAST, FAST), "fixed": runs(SLOW, SLOW), "tuned_rates": runs(SLOW, SLOW)}
    found = break_even(played, ROWS, "ppo", ["fixed", "tuned_rates"], 1, 100)
    assert found["fixed"].saved_per_run.value == 75
    assert (found["fixed"].extra_training, found["fixed"].runs) == (1000, 14)
    assert found["tuned_rates"].runs == 0


def test_what_is_saved_is_counted_to_what_the_opponent_itself_ends_at() -> None:
    """One that ends at -1 gets there after 50 updates in a run and never in the other: 75 against 25."""
    weak = runs([0.0, -0.5, -1.5, -1.5, -1.5], [0.0, 0.0, 0.0, 0.0, -0.5])
    found = break_even({"ppo": runs(FAST, FAST), "fixed": weak}, ROWS, "ppo", ["fixed"], 1, 100)
    assert found["fixed"].saved_per_run.value == (50 + 100) / 2 - 25


@pytest.mark.parametrize(("ends", "expected"), [(-2.0, 14), (-1.9, None)])
def test_a_controller_that_ends_worse_pays_nothing_back_however_fast_it_is(ends: float, expected: int | None) -> None:
    mine = runs([*FAST[:4], ends], [*FAST[:4], ends])
    found = break_even({"ppo": mine, "fixed": runs(SLOW, SLOW)}, ROWS, "ppo", ["fixed"], 1, 100)["fixed"]
    assert found.saved_per_run.value == 75
    assert found.runs == expected


def test_a_controller_that_few_trainings_don_t_show_to_end_worse_pays_back() -> None:
    """Trainings end 0.1 and 0.2 behind: a bootstrap of two calls that worse, the t-test, and so the report, doesn't."""
    mine = [episodes([[*FAST[:4], end]] * 2) for end in (-1.9, -1.8)]
    found = break_even({"ppo": mine, "fixed": runs(SLOW, SLOW)}, ROWS, "ppo", ["fixed"], 1, 100)["fixed"]
    assert found.gain.t95 is not None and found.gain.ci95[1] < 0 < found.gain.t95[1]
    assert found.runs == 14


def test_what_is_not_shown_to_be_saved_pays_nothing_back() -> None:
    """One run saves 75 updates, the other loses 50."""
    mine, theirs = runs(FAST, SLOW), runs(SLOW, [0.0, -1.0, -2.0, -2.0, -2.0])
    found = break_even({"ppo": mine, "fixed": theirs}, ROWS, "ppo", ["fixed"], 1, 100)["fixed"]
    assert np.sign(found.saved_per_run.ci95).tolist() == [-1, 1]
    assert found.runs is None


def test_what_few_trainings_don_t_show_to_be_saved_pays_nothing_back() -> None:
    """One saves 75 updates in every run, the other 25: a bootstrap of two calls that above 0, the t-test doesn't."""
    mine = [episodes([FAST] * 2), episodes([[0.0, -1.0, -1.5, -2.0, -2.0]] * 2)]
    found = break_even({"ppo": mine, "fixed": runs(SLOW, SLOW)}, ROWS, "ppo", ["fixed"], 1, 100)["fixed"]
    assert found.saved_per_run.ci95 == (25, 75)
    assert found.runs is None
