"""Headroom: what choosing by kind of run gains over one schedule for all."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from baselines.headroom import HeadroomOptions, groups, headroom, measure
from gan_env import ConfigError, GANVectorEnv, Instance


def test_headroom_is_what_the_best_schedule_of_each_kind_gains() -> None:
    """Two schedules, two kinds, each schedule better by 1 on one kind: the single best loses 0.5 on average."""
    finals = np.zeros((2, 4, 2))
    finals[0, :2] = -1.0
    finals[1, 2:] = -1.01
    gain = headroom(finals, np.array([0, 0, 1, 1]))
    assert gain.mean() == pytest.approx(0.5)
    assert gain.tolist() == [1.0, 1.0, 0.0, 0.0]


def test_one_kind_has_no_headroom() -> None:
    finals = np.random.default_rng(0).normal(size=(5, 6, 4))
    assert (headroom(finals, np.zeros(6, int)) == 0).all()


def test_luck_is_no_headroom() -> None:
    """Schedules that differ by noise alone: choosing per instance on one half must gain nothing on the other."""
    finals = np.random.default_rng(0).normal(size=(20, 400, 4))
    assert abs(headroom(finals, np.arange(400)).mean()) < 0.1


def test_kinds_follow_the_balance_of_learning_rates() -> None:
    instances = [
        Instance("ring", n, g, d, 0.5, 8, 8) for n, g, d in ((30, 1e-4, 1e-2), (9000, 1e-3, 1e-3), (9000, 1e-2, 1e-4))
    ]
    labels = groups(instances)["balance of learning rates (3 kinds)"]
    assert labels.tolist() == [0, 1, 2]


def test_measuring_gives_every_candidate_on_every_run() -> None:
    env = GANVectorEnv(
        32,
        autoreset_mode=AutoresetMode.DISABLED,
        num_decisions=2,
        updates_per_decision=1,
        metric_samples=32,
        compile=False,
    )
    names, finals = measure(env, HeadroomOptions(instances=2, runs=2, thin=40))
    assert finals.shape == (len(names), 2, 2)
    assert len(set(names)) == len(names) == 4  # of 144, every fortieth
    assert np.isfinite(finals).all()


def test_more_instances_than_there_are_are_refused_before_anything_is_played() -> None:
    small: dict[str, Any] = {"metric_samples": 32, "compile": False, "instances": {"train_size": 3}}
    env = GANVectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, **small)
    with pytest.raises(ConfigError, match=r"^instances=4 .*at most 3"):
        measure(env, HeadroomOptions(instances=4, runs=2, thin=40))
    assert env.gan_updates == 0


def test_an_odd_number_of_runs_is_refused() -> None:
    with pytest.raises(ConfigError, match="even"):
        HeadroomOptions(runs=3)
