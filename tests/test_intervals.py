import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from baselines.intervals import bootstrap_interval, iqm, paired_gain, summarize


def scores(count: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=count)


def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values.mean(axis=-1)


# --- interquartile mean ---


def test_iqm_by_hand() -> None:
    """The middle half of eight is 3, 4, 5 and 6."""
    assert iqm(np.array([8.0, 1, 7, 2, 6, 3, 5, 4])) == 4.5


def test_iqm_ignores_what_is_outside_the_middle_half() -> None:
    assert iqm(np.array([-1e9, -1e9, 3.0, 4, 5, 6, 1e9, 1e9])) == 4.5


def test_iqm_works_along_the_last_axis() -> None:
    values = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8], [10, 10, 10, 10, 20, 20, 20, 20]])
    assert iqm(values).tolist() == [4.5, 15.0]


# --- bootstrap ---


def test_the_interval_contains_the_statistic() -> None:
    values = scores(50)
    low, high = bootstrap_interval(values, iqm)
    assert low < iqm(values) < high


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    """Twice 1.96 standard errors."""
    values = scores(400)
    low, high = bootstrap_interval(values, mean)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.02)


def test_the_interval_of_equal_values_is_a_point() -> None:
    assert bootstrap_interval(np.full(10, 3.0), mean) == (3.0, 3.0)


def test_a_lower_level_gives_a_narrower_interval() -> None:
    low, high = bootstrap_interval(scores(50), mean)
    inner_low, inner_high = bootstrap_interval(scores(50), mean, level=0.5)
    assert low < inner_low < inner_high < high


def test_the_interval_depends_on_the_seed_alone() -> None:
    first, again, other = (bootstrap_interval(scores(50), mean, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_summary_has_number_iqm_and_interval() -> None:
    values = scores(50)
    summary = summarize(values)
    assert summary == {"n": 50, "iqm": float(iqm(values)), "ci95": bootstrap_interval(values, iqm)}


# --- paired differences ---


def test_paired_gain_by_hand() -> None:
    """Gains 1, 0, -2 and 1: two better, one tie, one worse."""
    result = paired_gain(np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 1, 5]))
    assert result["mean"] == 0.0
    assert result["probability_of_improvement"] == (1 + 0.5 + 0 + 1) / 4


def test_lower_values_are_better() -> None:
    result = paired_gain(np.zeros(5), np.ones(5))
    assert result == {
        "mean": 1.0,
        "ci95": (1.0, 1.0),
        "probability_of_improvement": 1.0,
        "probability_ci95": (1.0, 1.0),
    }


def test_ties_count_half() -> None:
    result = paired_gain(np.ones(5), np.ones(5))
    assert result["mean"] == 0.0
    assert result["probability_of_improvement"] == 0.5
    assert result["probability_ci95"] == (0.5, 0.5)


def test_pairing_removes_what_both_runs_share() -> None:
    """A gain of 0.1 is certain, though the runs themselves vary a hundred times more."""
    shared = 10 * scores(50)
    low, high = paired_gain(shared - 0.1 + 0.01 * scores(50, seed=1), shared)["ci95"]
    assert 0 < low < 0.1 < high + 0.01 < 0.12


def test_the_intervals_contain_the_estimates() -> None:
    result = paired_gain(scores(60), scores(60, seed=1) + 0.2)
    assert result["ci95"][0] < result["mean"] < result["ci95"][1]
    assert result["probability_ci95"][0] < result["probability_of_improvement"] < result["probability_ci95"][1]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=20))
def test_a_gain_is_the_others_loss(pairs: list[tuple[int, int]]) -> None:
    values, opponent = np.array(pairs, dtype=float).T
    forth, back = paired_gain(values, opponent), paired_gain(opponent, values)
    assert forth["mean"] == -back["mean"]
    assert forth["probability_of_improvement"] + back["probability_of_improvement"] == pytest.approx(1)
