"""A policy against another: gains by hand, in words, and when one is called better."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import gain

from gan_env.evaluation.comparison import Estimate, compare, gain_over


def test_gain_pairs_every_training_seed_with_the_opponent() -> None:
    opponent = np.array([[[0.0, 10.0], [20.0, 30.0]]])
    mine = np.concatenate([opponent - 1, opponent - 3])
    found = compare(mine, opponent)
    assert found.gain.value == 2
    assert found.gain.ci95 == (1.0, 3.0)  # both trainings the worse one, or both the better one
    assert found.probability.value == pytest.approx(0.75)  # of four pairs per instance three are better


def test_a_gain_on_few_instances_is_surer_on_these_than_on_others() -> None:
    """Two instances, with gains of 0 and 2 in every run: another draw of two may be the one twice, or the other."""
    mine = np.broadcast_to(np.array([0.0, -2.0])[:, None], (3, 2, 4))
    found = gain_over(mine, np.zeros((1, 2, 4)))
    assert (found.value, found.ci95, found.over_instances) == (1.0, (1.0, 1.0), (0.0, 2.0))


def test_an_opponent_s_tunings_are_drawn_as_trainings_are() -> None:
    """A tuning that was lucky by 4 widens the interval by as much: one drawn of two is the one or the other."""
    mine = np.zeros((2, 3, 4))
    theirs = np.stack([np.full((3, 4), 1.0), np.full((3, 4), 5.0)])
    found = gain_over(mine, theirs)
    assert (found.value, found.ci95) == (3.0, (1.0, 5.0))


def test_what_comes_of_a_training_is_compared_with_that_training() -> None:
    """Trainings differ by 4, every one is better by 1 than its own replay: paired there is no doubt, else there is."""
    mine = np.stack([np.zeros((3, 4)), np.full((3, 4), 4.0)])
    paired, apart = (gain_over(mine, mine + 1, paired=p) for p in (True, False))
    assert (paired.value, paired.ci95) == (1.0, (1.0, 1.0))
    assert (apart.value, apart.ci95) == (1.0, (-3.0, 5.0))


def test_a_gain_has_the_interval_of_a_t_test_beside_the_bootstraps() -> None:
    """Trainings differ by 2, tunings by 4: the t-test's interval is wider than theirs."""
    mine = np.stack([np.full((3, 4), -1.0), np.full((3, 4), 1.0)])
    theirs = np.stack([np.full((3, 4), 2.0), np.full((3, 4), 6.0)])
    gain = gain_over(mine, theirs)
    assert gain.value == 4
    assert gain.t95[0] < gain.ci95[0] < 4 < gain.ci95[1] < gain.t95[1]
    assert gain_over(mine[:1], theirs[:1]).t95 is None


def test_one_instance_says_nothing_of_others() -> None:
    found = compare(np.zeros((2, 1, 4)), np.ones((1, 1, 4)))
    assert found.gain.over_instances is None and found.probability.over_instances is None
    assert compare(np.zeros((2, 2, 4)), np.ones((1, 2, 4))).probability.over_instances == (1.0, 1.0)


def test_an_estimate_is_written_with_its_intervals() -> None:
    assert Estimate(0.814, (0.76, 0.87), (0.72, 0.9)).text() == "0.81 [0.76, 0.87] ([0.72, 0.90])"
    assert gain(0.5, -0.25, 0.75, over_instances=None).text() == "+0.500 [-0.250, +0.750]"


def test_a_gain_in_per_cent_is_of_the_metric_itself_with_the_wider_interval() -> None:
    assert gain(0.5, 0.4, 0.6, over_instances=(-0.1, 1.1)).percent == pytest.approx((39.3, -10.5, 66.7), abs=0.05)
    assert gain(0.5, 0.4, 0.6, over_instances=None).percent == pytest.approx((39.3, 33.0, 45.1), abs=0.05)


@given(st.floats(-3, 3), st.floats(0, 1), st.floats(0, 1))
def test_the_words_of_a_gain_have_the_value_within_its_interval(value: float, below: float, above: float) -> None:
    words = gain(value, value - below, value + above).in_percent()
    number, low, high = map(int, re.findall(r"-?\d+", words))
    assert low <= number <= high and number >= 0
    assert ("lower" in words) == (value >= 0)


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ({}, 1),
        ({"over_instances": None}, 1),
        ({"over_instances": (-0.1, 1.5)}, 0),  # on these instances, but not on others
        ({"t95": (-0.5, 2.5)}, 0),  # trainings are too few
        ({"t95": (0.1, 2.5), "over_instances": (0.1, 1.5)}, 1),
        ({"over_instances": (0.0, 1.5)}, 0),
    ],
)
def test_a_gain_is_told_apart_where_all_of_its_intervals_do(intervals: dict[str, Any], expected: int) -> None:
    better = gain(1.0, 0.5, 1.5, **intervals)
    assert better.verdict == expected
    mirrored = {k: v and (-v[1], -v[0]) for k, v in intervals.items()}
    assert gain(-1.0, -1.5, -0.5, **mirrored).verdict == -expected
