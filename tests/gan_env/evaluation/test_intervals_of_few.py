"""Gains of few trainings over few tunings: what the bootstrap doesn't know, the t-test does."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ttest_ind, ttest_rel

from gan_env.evaluation.intervals import stratified_gain, t_interval


def means(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(scores.mean(axis=(1, 2)))


def test_where_few_tunings_differ_most_the_bootstrap_is_too_short_and_the_t_test_is_not() -> None:
    """Three tunings, which differ four times as much as trainings. docs/statistics.md says so."""
    rng, studies = np.random.default_rng(0), 200
    held = {"bootstrap": 0, "t-test": 0}
    for study in range(studies):
        mine = 0.5 * rng.normal(size=(5, 12, 4)) + 0.08 * rng.normal(size=(5, 1, 1))
        theirs = 0.5 * rng.normal(size=(3, 12, 4)) + 0.32 * rng.normal(size=(3, 1, 1))
        found = {"bootstrap": stratified_gain(mine, theirs, seed=study)["ci95"], "t-test": t_interval(mine, theirs)}
        for name, (low, high) in found.items():
            held[name] += low <= 0 <= high
    assert 0.80 <= held["bootstrap"] / studies <= 0.93
    assert 0.93 <= held["t-test"] / studies <= 0.99


@pytest.mark.parametrize(("trainings", "tunings", "paired"), [(5, 3, False), (2, 2, False), (4, 4, True)])
def test_the_interval_is_that_of_scipys_t_tests(trainings: int, tunings: int, paired: bool) -> None:
    rng = np.random.default_rng(trainings)
    mine, theirs = rng.normal(size=(trainings, 6, 2)), 1 + rng.normal(size=(tunings, 6, 2))
    pair = means(theirs), means(mine)
    test = ttest_rel(*pair) if paired else ttest_ind(*pair, equal_var=False)
    assert t_interval(mine, theirs, paired) == pytest.approx(tuple(test.confidence_interval()))


def test_a_policy_of_which_there_is_one_has_no_spread() -> None:
    """Welch's test becomes that of the other's mean; of one each nothing is known."""
    rng = np.random.default_rng(0)
    several, one = rng.normal(size=(5, 6, 2)), rng.normal(size=(1, 6, 2))
    low, high = t_interval(several, one)
    assert (low + high) / 2 == pytest.approx(float(one.mean() - several.mean()))
    assert (high - low) / 2 == pytest.approx(2.776 * means(several).std(ddof=1) / np.sqrt(5), rel=1e-3)
    assert t_interval(one, several) == pytest.approx((-high, -low))
    assert t_interval(one, one) is None


def test_trainings_that_are_alike_leave_no_doubt() -> None:
    alike = np.ones((3, 6, 2))
    assert t_interval(alike, alike + 2) == (2.0, 2.0)
