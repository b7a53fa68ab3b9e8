"""The scores of a study, against values worked out by hand."""

import numpy as np
import pytest
from studies import episodes

from agents.study.scores import arranged, compare, gain_over, saved_over, updates_needed


def test_episodes_are_arranged_by_training_seed_instance_and_gan_seed() -> None:
    """Episodes go through all instances once a GAN seed: here ten times the GAN seed plus the instance."""
    column = np.array([0, 1, 2, 10, 11, 12])
    found = arranged([column, column + 100], 3)
    assert found.shape == (2, 3, 2)
    assert found[0].tolist() == [[0, 10], [1, 11], [2, 12]]
    assert found[1, 2, 1] == 112


def test_updates_to_the_target_by_hand() -> None:
    """Run 0 reaches -1 after 50 of 100 updates, run 1 never, run 2 at the end. The log metric doesn't matter."""
    e = episodes([[0, -1, -2], [0, 0, 0], [0, -0.5, -1]], metric=[[-9, -9, -9]] * 3)
    assert updates_needed([e], np.full(3, -1.0), budget=100).tolist() == [50, np.inf, 100]


def test_gain_pairs_every_training_seed_with_the_opponent() -> None:
    opponent = np.array([[[0.0, 10.0], [20.0, 30.0]]])
    mine = np.concatenate([opponent - 1, opponent - 3])
    found = compare(mine, opponent)
    assert found.gain.value == 2
    assert found.gain.by_training == (1.0, 3.0)
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
    assert found.by_training == (3.0, 3.0)  # each against all tunings


def test_what_comes_of_a_training_is_compared_with_that_training() -> None:
    """Trainings differ by 4, every one is better by 1 than its own replay: paired there is no doubt, else there is."""
    mine = np.stack([np.zeros((3, 4)), np.full((3, 4), 4.0)])
    paired, apart = (gain_over(mine, mine + 1, paired=p) for p in (True, False))
    assert (paired.value, paired.ci95, paired.by_training) == (1.0, (1.0, 1.0), (1.0, 1.0))
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


def test_updates_are_saved_from_where_the_mean_curve_is_as_good_as_the_opponent_ends() -> None:
    """Two instances and two GAN seeds; the curves' mean falls by 1 a decision, the opponent's ends at -1."""
    mine = episodes([[0.0, -0.5, -3.0, -4.0], [0.0, -1.5, -1.0, -2.0]] * 2)
    theirs = [episodes([[0.0, end / 2, end]] * 4) for end in (-0.5, -1.5)]  # another number of decisions
    found = saved_over([mine, mine], theirs, 2)
    assert found.value == pytest.approx(2 / 3)
    assert found.ci95[0] <= found.value <= found.ci95[1]
