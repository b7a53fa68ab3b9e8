"""Headroom: what choosing by kind of run gains over one schedule for all."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from baselines.headroom import HeadroomOptions, describe, groups, headroom, measure
from baselines.search.spaces import random_schedules
from gan_env import ConfigError, GANVectorEnv, Instance


def test_headroom_is_what_the_best_schedule_of_each_kind_gains() -> None:
    """Two schedules, two kinds, each schedule better by 1 on one kind: the single best loses 0.5 on average."""
    finals = np.zeros((2, 4, 2))
    finals[0, :2] = -1.0
    finals[1, 2:] = -1.01
    gain = headroom(finals, finals, np.array([0, 0, 1, 1]))
    assert gain.mean() == pytest.approx(0.5)
    assert gain.tolist() == [1.0, 1.0, 0.0, 0.0]


def test_test_instances_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^env\.split='test'"):
        HeadroomOptions(env={"split": "test"})


def test_one_kind_has_no_headroom() -> None:
    finals = np.random.default_rng(0).normal(size=(5, 6, 4))
    assert (headroom(finals, finals, np.zeros(6, int)) == 0).all()


def test_luck_is_no_headroom() -> None:
    """Schedules that differ by noise alone: choosing per instance on one half must gain nothing on the other."""
    finals = np.random.default_rng(0).normal(size=(20, 400, 4))
    assert abs(headroom(finals, finals, np.arange(400)).mean()) < 0.1


def test_kinds_follow_the_balance_of_learning_rates() -> None:
    instances = [
        Instance("ring", n, g, d, 0.5, 8, 8, 8)
        for n, g, d in ((30, 1e-4, 1e-2), (9000, 1e-3, 1e-3), (9000, 1e-2, 1e-4))
    ]
    labels = groups(instances)["balance of learning rates (3 kinds)"]
    assert labels.tolist() == [0, 1, 2]


SMALL: dict[str, Any] = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


def make(rows: int, **options: Any) -> GANVectorEnv:
    return GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **SMALL, **options)


def test_schedules_are_chosen_by_one_number_and_reported_by_the_other() -> None:
    """By the log metric the first schedule is best everywhere, by the score the second: the first is what is chosen."""
    choosing, reported = np.zeros((2, 4, 2)), np.zeros((2, 4, 2))
    choosing[0], reported[1] = -1.0, -1.0
    assert (headroom(choosing, reported, np.arange(4)) == 0).all()
    choosing[:, 2:] = choosing[::-1, 2:]  # on two instances the second is chosen, which has the lower score there
    assert headroom(choosing + np.array([[[0.0]], [[0.1]]]), reported, np.arange(4)).tolist() == [0, 0, 1, 1]


def test_every_schedule_plays_every_run() -> None:
    env = make(32)
    schedules = random_schedules(env, 4, seed=0)
    assert len({describe(s) for s in schedules}) == 4
    assert all(set(s.knobs) == set(env.config.knobs) for s in schedules)
    played = measure(env, schedules, HeadroomOptions(instances=2, runs=2))
    assert played.final.shape == (4 * 2 * 2,)
    assert np.isfinite(played.final).all()
    start = played.coordinates[:, 0, :].reshape(4, 4, -1)
    assert (start == start[:, :1]).all()  # the four runs of a schedule begin alike
    assert len(np.unique(start[:, 0], axis=0)) == 4


def test_more_instances_than_there_are_are_refused_before_anything_is_played() -> None:
    env = make(1, instances={"train_size": 3})
    with pytest.raises(ConfigError, match=r"^instances=4 .*at most 3"):
        measure(env, random_schedules(env, 2, seed=0), HeadroomOptions(instances=4, runs=2))
    assert env.gan_updates == 0


def test_an_odd_number_of_runs_is_refused() -> None:
    with pytest.raises(ConfigError, match="even"):
        HeadroomOptions(runs=3)
