"""Convergence speed, roughness, and the summary of a run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.run_summary import (
    decisions_to_target,
    describe_run,
    roughness,
    summarize_run,
    updates_to_converge,
)


def test_convergence_by_hand() -> None:
    """From 5 to 1: 10 % of the distance is 0.4, which 1.4 reaches and 1.5 doesn't."""
    curves = [[5, 3, 1.5, 1.4, 1.0, 1.2], [5, 1.0, 5, 5, 5, 5], [1, 2, 3, 4, 5, 6]]
    assert updates_to_converge(curves, 50).tolist() == [150, 50, 0]


def test_exponential_decay_converges_where_the_formula_says() -> None:
    """log m falls as exp(-t / 10): a tenth is left at t = 10 log 10 = 23.03."""
    curve = np.exp(-np.arange(400) / 10)[None]
    assert updates_to_converge(curve, 1).tolist() == [24]


def test_a_line_is_smooth_and_a_constant_too() -> None:
    assert roughness([np.arange(30.0), np.full(30, 2.0)]).tolist() == pytest.approx([0, 0], abs=1e-9)


def test_white_noise_has_the_roughness_of_its_formula() -> None:
    noise = np.random.default_rng(0).standard_normal((50, 2000))
    assert roughness(noise).mean() == pytest.approx(math.sqrt(12 / math.pi), rel=0.01)


def test_half_a_sine_wave_has_the_documented_roughness() -> None:
    assert roughness([np.sin(np.linspace(0, np.pi, 20))])[0] == pytest.approx(0.055, abs=0.001)


@given(st.floats(0.01, 100), st.floats(-100, 100), st.integers(0, 1000))
def test_roughness_has_no_units(scale: float, shift: float, seed: int) -> None:
    curve = np.random.default_rng(seed).standard_normal((1, 40)).cumsum(axis=1)
    np.testing.assert_allclose(roughness(scale * curve + shift), roughness(curve), rtol=1e-6)


def test_what_comes_after_a_crash_is_left_out() -> None:
    curve = np.sin(np.arange(20.0))
    crashed = np.concatenate([curve, np.full(5, np.nan)])
    assert roughness([crashed])[0] == roughness([curve])[0]
    assert math.isnan(roughness([[1.0, 2.0, np.nan]])[0])


@pytest.fixture
def episodes() -> Episodes:
    """Two rows of four decisions; the second crashes at the third."""
    nan = np.nan
    extras = {
        "collapse": [[-1, -0.5, -0.2, 0], [-1, -2, -np.inf, nan]],
        "coverage": [[0.1, 0.2, 0.5, 0.6], [0.1, 0, 0, nan]],
        "loss_d": [[1, 2, 1, 2], [1, 1, 1, nan]],
        "loss_g": [[1, 1, 1, 1], [1, 1, 1, nan]],
    }
    return Episodes(
        log_metric=np.array([[2, 1, 0.5, 0.1, 0.2], [2, 1, 3, 6, 6]], np.float32),  # it chooses the best moment
        score=np.array([[2, 1, 0.5, 0, 0.1], [2, 1, 3, 6, 6]], np.float32),
        coordinates=np.zeros((2, 4, 1), np.float32),
        rewards=np.zeros((2, 4), np.float32),
        crashed=np.array([False, True]),
        extras={name: np.array(values, np.float32) for name, values in extras.items()},
        gan_updates=0,
    )


def test_a_summary_has_a_number_a_row(episodes: Episodes) -> None:
    summary = summarize_run(episodes, 50)
    assert summary["start"] == pytest.approx([math.exp(2), math.exp(2)], rel=1e-5)
    assert summary["final"] == pytest.approx([math.exp(0.1), math.exp(6)], rel=1e-5)
    assert summary["best"] == pytest.approx([1, math.e], rel=1e-5)
    assert summary["updates_to_converge"] == [150, 50]
    assert summary["coverage"] == [pytest.approx(0.6), None]
    assert summary["spread_ratio"] == [1, None]
    assert summary["crashed"] == [False, True]
    assert summary["roughness_loss_d"][0] == pytest.approx(4)  # second differences of 2 over a spread of 1/2
    assert summary["roughness_loss_d"][1] == 0


def test_the_closing_lines_say_all_of_it(episodes: Episodes) -> None:
    text = describe_run(summarize_run(episodes, 50) | {"metric": "some distance", "real": 0.5})
    assert text.startswith("some distance\n")
    for part in ("real against real", "0.5", "7.389, 7.389", "1.105, 403.4", "150, 50", "0.6, None", "False, True"):
        assert part in text


def test_decisions_to_a_target_by_hand() -> None:
    """Row 0 is at 2 after two decisions, row 1 starts there, row 2 never is."""
    curves = [[5, 3, 2, 4], [2, 9, 9, 9], [5, 4, 3, 2.1]]
    assert decisions_to_target(curves, 2.0).tolist() == [2, 0, math.inf]
    assert decisions_to_target(curves, [3.0, 1.0, 2.1]).tolist() == [1, math.inf, 3]
