"""The scores of a study, against values worked out by hand."""

import numpy as np
import pytest
from studies import episodes

from agents.study.scores import arranged, compare_with, run_row, score_row, updates_needed


def test_episodes_are_arranged_by_training_seed_instance_and_gan_seed() -> None:
    """Episodes go through all instances once a GAN seed: here ten times the GAN seed plus the instance."""
    column = np.array([0, 1, 2, 10, 11, 12])
    found = arranged([column, column + 100], 3)
    assert found.shape == (2, 3, 2)
    assert found[0].tolist() == [[0, 10], [1, 11], [2, 12]]
    assert found[1, 2, 1] == 112


def test_crashes_collapses_and_updates_to_the_target_by_hand() -> None:
    """Run 0 reaches -1 after 50 of 100 updates; run 1 never; run 2 collapses; run 3 crashes after one decision."""
    e = episodes(
        [[0, -1, -2], [0, 0, 0], [0, -0.5, -1], [0, 4, 4]],
        collapse=[[0, 0], [0, 0], [0, -2], [-np.inf, np.nan]],
        crashed=[False, False, False, True],
    )
    reached = updates_needed([e], np.full(4, -1.0), budget=100)
    assert reached[0].tolist() == [50, np.inf, 100, np.inf]
    row = run_row([e], np.stack(reached), budget=100)
    assert row["crashes"] == 1 and row["crash_rate"] == 0.25
    assert row["collapse_rate"] == 0.25  # the crashed run is counted once
    assert row["reached_target"] == 0.5
    assert row["updates_to_target"] == pytest.approx((50 + 100 + 100 + 100) / 4)


def test_spreads_are_those_of_trainings_and_of_runs_within_an_instance() -> None:
    """Two instances, two GAN seeds: runs differ by 2 and by 4 within them; the second training ends 1 higher."""
    one = episodes([[9.0, end] for end in (0, 10, 2, 14)])
    two = episodes([[9.0, end + 1] for end in (0, 10, 2, 14)])
    row = score_row(arranged([one.final, two.final], 2), 2, [one, two])
    assert row["spread_over_gan_seeds"] == pytest.approx(np.sqrt((2 + 8) / 2))
    assert row["spread_over_seeds"] == pytest.approx(np.sqrt(1 / 2))
    alone = score_row(arranged([one.final], 4), 4, [one])
    assert alone["spread_over_gan_seeds"] is None and alone["spread_over_seeds"] is None


def test_roughness_is_the_mean_over_runs() -> None:
    """A straight line has none; of a run that crashed too soon none is known."""
    e, nan = episodes([[0.0] * 5] * 3), np.nan
    e.extras["loss_d"] = np.array([[1.0, 2, 3, 4], [1, 0, 1, 0], [1, nan, nan, nan]], np.float32)
    row = run_row([e], np.ones(3), 1)
    assert row["roughness_loss_d"] == pytest.approx((0 + 2 / 0.5) / 2)
    assert row["roughness_loss_g"] == 0


def test_gain_pairs_every_training_seed_with_the_opponent() -> None:
    opponent = np.array([[[0.0, 10.0], [20.0, 30.0]]])
    mine = np.concatenate([opponent - 1, opponent - 3])
    found = compare_with(mine, opponent)
    assert found["gain"]["value"] == 2
    assert found["gain"]["by_training"] == [1.0, 3.0]
    assert found["gain"]["ci95"] == (1.0, 3.0)  # both trainings the worse one, or both the better one
    assert found["probability"]["value"] == pytest.approx(0.75)  # of four pairs an instance three are better


def test_a_gain_on_few_instances_is_surer_on_these_than_on_others() -> None:
    """Two instances, with gains of 0 and 2 in every run: another draw of two may be the one twice, or the other."""
    mine = np.broadcast_to(np.array([0.0, -2.0])[:, None], (3, 2, 4))
    found = compare_with(mine, np.zeros((1, 2, 4)))["gain"]
    assert (found["value"], found["ci95"], found["over_instances"]) == (1.0, (1.0, 1.0), (0.0, 2.0))


def test_an_opponent_s_tunings_are_drawn_as_trainings_are() -> None:
    """A tuning that was lucky by 4 widens the interval by as much: one drawn of two is the one or the other."""
    mine = np.zeros((2, 3, 4))
    theirs = np.stack([np.full((3, 4), 1.0), np.full((3, 4), 5.0)])
    found = compare_with(mine, theirs)["gain"]
    assert (found["value"], found["ci95"]) == (3.0, (1.0, 5.0))
    assert found["by_training"] == [3.0, 3.0]  # each against all tunings


def test_what_comes_of_a_training_is_compared_with_that_training() -> None:
    """Trainings differ by 4, every one is better by 1 than its own replay: paired there is no doubt, else there is."""
    mine = np.stack([np.zeros((3, 4)), np.full((3, 4), 4.0)])
    paired, apart = (compare_with(mine, mine + 1, paired=p)["gain"] for p in (True, False))
    assert (paired["value"], paired["ci95"], paired["by_training"]) == (1.0, (1.0, 1.0), [1.0, 1.0])
    assert (apart["value"], apart["ci95"]) == (1.0, (-3.0, 5.0))


def test_a_gain_has_the_interval_of_a_t_test_beside_the_bootstraps() -> None:
    """Trainings differ by 2, tunings by 4: the t-test's interval is wider than theirs."""
    mine = np.stack([np.full((3, 4), -1.0), np.full((3, 4), 1.0)])
    theirs = np.stack([np.full((3, 4), 2.0), np.full((3, 4), 6.0)])
    gain = compare_with(mine, theirs)["gain"]
    assert gain["value"] == 4
    assert gain["t95"][0] < gain["ci95"][0] < 4 < gain["ci95"][1] < gain["t95"][1]
    assert compare_with(mine[:1], theirs[:1])["gain"]["t95"] is None
