"""Observations are read in the units of what they stand for, and actions take knobs where they are wanted."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from gan_env import ConfigError, GANVectorEnv
from gan_env.instance_lists import HYPERPARAMETERS
from gan_env.mdp.knobs import TARGETS
from gan_env.policies.presets import load_policy
from gan_env.policies.steering import Steering, start_of


def make(**options: Any) -> GANVectorEnv:
    small = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    return GANVectorEnv(3, autoreset_mode=AutoresetMode.DISABLED, **small, **options)


def test_values_are_those_of_the_instances() -> None:
    env = make(observation=("progress", "knobs", "context"))
    observation, _ = env.reset(seed=0)
    names = [name for name in HYPERPARAMETERS if name not in ("num_samples", "width_g", "width_d")]
    steering = Steering(env, names)
    for name in names:
        expected = [getattr(instance, name) for instance in env.current_instances]
        np.testing.assert_allclose(steering.value(observation, name), expected, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(steering.coordinates(observation), env.coordinates(), atol=1e-6)


@pytest.mark.parametrize("mode", ["delta", "absolute"])
def test_an_action_takes_knobs_as_near_as_one_move_gets(mode: str) -> None:
    env = make(action_mode=mode, max_change=0.1, max_first_change=0.1, knobs=("instance_noise", "augment", "r1"))
    observation, _ = env.reset(seed=0)
    before = env.coordinates()
    wanted = np.clip(before + np.array([0.05, -0.05, 0.5]), 0, 1)
    env.step(Steering(env, []).action(observation, wanted))
    reached = wanted if mode == "absolute" else before + np.clip(wanted - before, -0.1, 0.1)
    np.testing.assert_allclose(env.coordinates(), reached, atol=1e-6)


LIVELY = {"lr_g": (0.01, 0.03), "lr_d": (0.01, 0.03)}
"""Rates at which one update takes steps within the range of the mode "steps"."""


@pytest.mark.parametrize("mode", TARGETS)
def test_in_modes_with_targets_rates_go_where_they_are_wanted(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of steps that an action asks for follows from the one that was measured."""
    if mode != "steps":
        monkeypatch.setitem(TARGETS, mode, (1e-3, 1e3))  # by default so near that few moves are in reach
    moves: dict[str, Any] = {"action_mode": mode, "max_first_change": 0.1, "max_change": 0.05}
    env = make(knobs=("r1", "lr_g", "lr_d"), observation=("progress", "knobs", mode), instances=LIVELY, **moves)
    observation, _ = env.reset(seed=0)
    steering, moves = Steering(env, []), np.array([0.03, -0.04, 0.02])
    for _ in range(2):  # the first move is a delta
        wanted = env.coordinates() + moves
        observation, *_ = env.step(steering.action(observation, wanted))
        np.testing.assert_allclose(env.coordinates(), wanted, atol=1e-4)


@pytest.mark.parametrize("mode", TARGETS)
def test_modes_with_targets_need_to_see_what_they_act_on(mode: str) -> None:
    with pytest.raises(ConfigError, match=f"the group '{mode}' too"):
        make(action_mode=mode, observation=("progress", "knobs"))


def test_a_statistic_that_is_not_observed_is_named_with_its_group() -> None:
    env = make(observation=("progress", "knobs"))
    with pytest.raises(ConfigError, match=r"'lr_g'.*add the group 'context'"):
        Steering(env, ["lr_g"])


def test_a_policy_without_a_start_leaves_the_knobs_where_they_are() -> None:
    assert start_of(load_policy("random").make(make())) == {}
