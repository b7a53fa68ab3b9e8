"""When training has paid for itself, against values worked out by hand."""

import pytest

from agents.study_costs import break_even


@pytest.mark.parametrize(("low", "runs"), [(5.0, 50), (0.0, None), (-5.0, None)])
def test_break_even_is_what_training_took_over_what_a_run_saves(low: float, runs: int | None) -> None:
    saved = {"value": 20.0, "ci95": (low, 35.0)}
    rows = {
        "ppo": {"saved": {"fixed": saved, "best_schedule": saved}, "found_gan_updates": 1000.0},
        "fixed": {"found_gan_updates": 0.0},
        "best_schedule": {"found_gan_updates": 1000.0},
    }
    found = break_even(rows, "ppo")
    assert found["fixed"]["runs"] == runs
    assert found["best_schedule"]["runs"] == (None if runs is None else 0)  # tuning took as much as training
