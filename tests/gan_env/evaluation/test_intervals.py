from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import trim_mean

from gan_env import ConfigError
from gan_env.evaluation.intervals import (
    RESAMPLES,
    bootstrap_interval,
    iqm,
    probability_of_improvement,
    resampled,
    stratified,
    stratified_gain,
    summarize,
)

mean = partial(np.mean, axis=-1)


def scores(count: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=count)


# --- interquartile mean ---


def test_iqm_by_hand() -> None:
    """The middle half of eight is 3, 4, 5 and 6."""
    assert iqm(np.array([8.0, 1, 7, 2, 6, 3, 5, 4])) == 4.5


def test_iqm_ignores_what_is_outside_the_middle_half() -> None:
    assert iqm(np.array([-1e9, -1e9, 3.0, 4, 5, 6, 1e9, 1e9])) == 4.5


def test_iqm_works_along_the_last_axis() -> None:
    values = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8], [10, 10, 10, 10, 20, 20, 20, 20]])
    assert iqm(values).tolist() == [4.5, 15.0]


def test_a_multiple_of_four_is_trimmed_as_usual() -> None:
    values = scores(36).reshape(3, 12)
    np.testing.assert_allclose(iqm(values), trim_mean(values, 0.25, axis=-1))


def test_values_at_the_quartiles_count_with_a_fraction() -> None:
    """Of six, 1.5 are left out on either side: (2 / 2 + 3 + 4 + 50 / 2) / 3. Of one or two, all are the middle half."""
    assert iqm(np.array([1.0, 50, 3, 1000, 4, 2])) == pytest.approx(33 / 3)
    assert iqm(np.array([7.0])) == 7
    assert iqm(np.array([7.0, 9.0])) == 8


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=13), st.integers(2, 4))
def test_the_same_scores_again_change_nothing(values: list[int], times: int) -> None:
    assert iqm(np.tile(np.array(values, float), times)) == pytest.approx(iqm(np.array(values, float)))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=13), st.floats(-10, 10), st.floats(-1e3, 1e3))
def test_iqm_follows_scale_and_shift_and_lies_within(values: list[float], scale: float, shift: float) -> None:
    found = np.array(values)
    assert iqm(scale * found + shift) == pytest.approx(scale * iqm(found) + shift, abs=1e-7)
    assert found.min() - 1e-9 <= iqm(found) <= found.max() + 1e-9


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


def test_the_interval_depends_on_the_seed_alone() -> None:
    first, again, other = (bootstrap_interval(scores(50), mean, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_summary_has_number_iqm_and_interval() -> None:
    values = scores(50)
    summary = summarize(values)
    assert summary == {"n": 50, "iqm": float(iqm(values)), "ci95": bootstrap_interval(values, iqm)}
    assert summarize(list(values)) == summary


# --- studies: [S, I, G] ---


def study_scores(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(2, 4))
def test_a_stratified_sample_draws_within_instances_and_whole_trainings(seeds: int, instances: int, runs: int) -> None:
    """Every number tells where it stood: 100 training seed + 10 instance + GAN seed."""
    grid = np.indices((seeds, instances, runs))
    samples = resampled((100 * grid[0] + 10 * grid[1] + grid[2]).astype(float))
    assert samples.shape == (RESAMPLES, max(seeds - 1, 1), instances, runs - 1)
    assert (samples // 10 % 10 == np.arange(instances)[:, None]).all()
    trained = samples // 100
    assert (trained == trained[:, :, :1, :1]).all()
    assert (samples % 10 == samples[:, :1] % 10).all()  # all trainings with the same GAN seeds
    assert samples.max() <= 100 * (seeds - 1) + 10 * (instances - 1) + runs - 1


def test_where_an_instance_has_one_run_instances_are_drawn() -> None:
    scores = study_scores((1, 30, 1))
    low, high = stratified(scores, mean)["ci95"]
    assert high - low == pytest.approx(2 * 1.96 * scores.std(ddof=1) / np.sqrt(30), rel=0.1)


@pytest.mark.parametrize(
    ("shape", "tunings", "apart"),
    [
        ((1, 24, 4), 1, 0.0),
        ((5, 24, 4), 1, 0.0),
        ((5, 24, 4), 1, 0.3),
        ((3, 12, 1), 1, 0.3),
        ((5, 24, 4), 3, 0.3),
        ((5, 24, 4), 4, 0.3),
    ],
)
def test_an_interval_of_a_gain_holds_the_truth_as_often_as_it_says(
    shape: tuple[int, int, int], tunings: int, apart: float
) -> None:
    """Trainings, which differ by so much, meet the same runs of the opponent, as its tunings do; the true gain is 0.

    Were trainings not drawn, intervals of the third case would hold it in 76 % of the studies.
    """
    rng, held, studies = np.random.default_rng(0), 0, 200
    for study in range(studies):
        mine = rng.normal(size=shape) + apart * rng.normal(size=(shape[0], 1, 1))
        theirs = rng.normal(size=(tunings, *shape[1:]))
        if tunings > 1:
            theirs = theirs + apart * rng.normal(size=(tunings, 1, 1))
        low, high = stratified_gain(mine, theirs, seed=study)["ci95"]
        held += low <= 0 <= high
    assert 0.90 <= held / studies <= 0.99


@pytest.mark.parametrize("shape", [(1, 6, 2), (2, 6, 2), (1, 6, 3)])
def test_an_interval_over_few_runs_holds_the_estimate(shape: tuple[int, int, int]) -> None:
    """Instances differ far more than runs: what is left out must be the same share of the scores and of the samples."""
    for seed in range(20):
        levels = 30 * np.random.default_rng(seed).normal(size=(shape[1], 1))
        found = stratified(levels + study_scores(shape, seed), iqm)
        assert found["ci95"][0] <= found["value"] <= found["ci95"][1]


def test_equal_runs_of_each_instance_have_no_uncertainty() -> None:
    """However much instances differ, they are the strata."""
    scores = np.tile(np.array([1.0, 5, 100])[None, :, None], (1, 1, 4))
    found = stratified(scores, mean)
    assert found["value"] == pytest.approx(106 / 3)
    assert found["ci95"] == (pytest.approx(106 / 3), pytest.approx(106 / 3))


def test_the_stratified_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    scores = study_scores((1, 10, 40))
    low, high = stratified(scores, mean)["ci95"]
    expected = 2 * 1.96 * np.sqrt((scores.var(axis=2) / 40).sum()) / 10
    assert high - low == pytest.approx(expected, rel=0.1)


def test_trainings_that_differ_widen_the_interval() -> None:
    scores = study_scores((5, 10, 4))
    apart = scores + np.array([-2.0, -1, 0, 1, 2])[:, None, None]
    widths = [np.ptp(stratified(s, mean)["ci95"]) for s in (scores, apart)]
    assert widths[1] > 3 * widths[0]


def test_a_gain_is_the_others_loss_and_lower_is_better() -> None:
    mine, theirs = study_scores((2, 6, 3)), 0.5 + study_scores((2, 6, 3), seed=1)
    forth, back = stratified_gain(mine, theirs), stratified_gain(theirs, mine)
    assert forth["value"] == pytest.approx(theirs.mean() - mine.mean())
    assert back["value"] == -forth["value"]
    chances = [probability_of_improvement(*pair)["value"] for pair in ((mine, theirs), (theirs, mine))]
    assert sum(chances) == pytest.approx(1)
    assert chances[0] > 0.5


@pytest.mark.parametrize("compared", [stratified_gain, probability_of_improvement])
@pytest.mark.parametrize("other", [(1, 8, 1), (16,), (1, 16)], ids=str)
def test_scores_of_other_runs_are_refused(compared: Any, other: tuple[int, ...]) -> None:
    """They broadcast, or ended in an IndexError."""
    for shapes in (((1, 16, 1), other), (other, (1, 16, 1)), (other[-1:], other[-1:])):
        with pytest.raises(ConfigError, match=r"\[trainings, instances, GAN seeds\] of both"):
            compared(*map(np.zeros, shapes))


def test_pairing_removes_what_both_runs_share() -> None:
    """A gain of 0.1 is certain, though the runs themselves vary a hundred times more."""
    shared = 10 * study_scores((1, 10, 5))
    found = stratified_gain(shared - 0.1 + 0.01 * study_scores((1, 10, 5), seed=1), shared)
    for name in ("ci95", "over_instances"):
        low, high = found[name]
        assert 0.08 < low < found["value"] < high < 0.12


@pytest.mark.parametrize(("trainings", "tunings"), [(1, 1), (3, 2)])
def test_only_the_interval_over_instances_holds_what_new_instances_bring(trainings: int, tunings: int) -> None:
    """How much a policy gains differs from instance to instance; the truth is the mean over all that could be drawn.

    Over the instances drawn alone, what seems to be 95 % is far less: verdicts on it would be wrong too often.
    """
    rng, studies = np.random.default_rng(0), 100
    held = dict.fromkeys(("ci95", "over_instances", "probability", "probability over instances"), 0)
    for study in range(studies):
        theirs = rng.normal(size=(tunings, 16, 3))
        mine = rng.normal(size=(trainings, 16, 3)) + 2 * rng.normal(size=(1, 16, 1))
        gain, chance = stratified_gain(mine, theirs, seed=study), probability_of_improvement(mine, theirs, seed=study)
        for name, (low, high), truth in (
            ("ci95", gain["ci95"], 0),
            ("over_instances", gain["over_instances"], 0),
            ("probability", chance["ci95"], 0.5),
            ("probability over instances", chance["over_instances"], 0.5),
        ):
            held[name] += low <= truth <= high
    assert held["ci95"] / studies < 0.85
    assert held["probability"] / studies < 0.85
    assert 0.91 <= held["over_instances"] / studies <= 0.99
    assert 0.91 <= held["probability over instances"] / studies <= 0.99


def test_probability_of_improvement_by_hand() -> None:
    """Instance 0: of four pairs (1, 3 against 2, 3) one is lower than 2, 1 and 3: better, better, worse, tie.

    Instance 1: all better. So (2.5 / 4 + 1) / 2.
    """
    mine = np.array([[[1.0, 3.0], [0.0, 0.0]]])
    theirs = np.array([[[2.0, 3.0], [5.0, 6.0]]])
    assert probability_of_improvement(mine, theirs)["value"] == pytest.approx((2.5 / 4 + 1) / 2)
    assert probability_of_improvement(theirs, mine)["value"] == pytest.approx(1 - (2.5 / 4 + 1) / 2)


def test_probability_of_improvement_compares_within_instances_alone() -> None:
    """Every run of instance 1 is worse than any of instance 0; within them the policy always wins."""
    mine = np.array([[[1.0, 1.1], [10.0, 10.1]]])
    result = probability_of_improvement(mine, mine + 0.5)
    assert result == {"value": 1.0, "ci95": (1.0, 1.0), "over_instances": (1.0, 1.0)}


def test_probability_of_improvement_compares_within_instances_that_have_one_run() -> None:
    mine = np.array([[[1.0], [10.0], [100.0]], [[1.1], [10.1], [100.1]]])
    found = probability_of_improvement(mine, mine[:1] + 0.5)
    assert found == {"value": 1.0, "ci95": (1.0, 1.0), "over_instances": (1.0, 1.0)}


def test_trainings_and_tunings_are_drawn_apart_where_instances_have_one_run() -> None:
    """Training 0 always loses to tuning 0 and wins against tuning 1; training 1 never wins: drawn alike, P is 0."""
    mine, theirs = np.array([1.0, 2]), np.array([0.0, 1.5])
    found = probability_of_improvement(mine[:, None, None].repeat(6, 1), theirs[:, None, None].repeat(6, 1))
    assert found == {"value": 0.25, "ci95": (0.0, 1.0), "over_instances": (0.0, 1.0)}


def test_probability_of_improvement_takes_other_numbers_of_seeds() -> None:
    result = probability_of_improvement(study_scores((5, 6, 4)) - 1, study_scores((1, 6, 4), seed=1))
    low, high = result["ci95"]
    assert 0.5 < low < result["value"] < high < 1
    assert result["value"] == pytest.approx(0.76, abs=0.1)  # of two normals one standard deviation apart
