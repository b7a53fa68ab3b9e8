"""CleanRL's way of collecting gets every transition: of our vector environment, and of single ones in Gymnasium's."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from witness import Witness, assert_same, by_row

import gan_env

Program = Callable[..., dict[str, Any]]


def test_the_pages_program_gets_every_transition(run_program: Program, witness: Witness) -> None:
    rollout = run_program("ppo_cleanrl")["rollout"]
    columns = [np.swapaxes(np.stack(column), 0, 1) for column in zip(*rollout, strict=True)]
    assert_same(by_row(*columns), witness.rows)


def collect(envs: gym.vector.VectorEnv[Any, Any, Any], steps: int) -> list[Any]:
    """Columns [N, T, ...], as their scripts for Gymnasium 1 collect them."""
    rollout = []
    next_obs, _ = envs.reset(seed=1)
    for _ in range(steps):
        obs, action = next_obs, envs.action_space.sample()
        next_obs, reward, terminated, _, infos = envs.step(action)
        last_obs = next_obs.copy()
        for row in np.flatnonzero(infos.get("_final_obs", np.zeros(envs.num_envs, bool))):
            last_obs[row] = infos["final_obs"][row]
        rollout.append((obs.copy(), action, reward, last_obs, terminated))
    return [np.swapaxes(np.stack(column), 0, 1) for column in zip(*rollout, strict=True)]


def wrapped() -> gym.Env[Any, Any]:
    """What their `make_env` gives for continuous actions, without scaling, which the comparison would have to undo."""
    env = gym.wrappers.FlattenObservation(gym.make("gan_env/Points-v1"))
    return gym.wrappers.ClipAction(gym.wrappers.RecordEpisodeStatistics(env))


def test_single_environments_with_their_wrappers_give_every_transition(witness: Witness) -> None:
    envs = gym.vector.SyncVectorEnv([wrapped] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    assert_same(by_row(*collect(envs, 40)), witness.rows)


@pytest.mark.parametrize("native", [False, True])
def test_with_next_step_it_would_learn_from_resets(native: bool, witness: Witness) -> None:
    """Gymnasium's default, which their scripts of today don't know."""
    if native:
        envs: Any = gym.make_vec("gan_env/Points-v1", num_envs=3, autoreset_mode="NextStep")
    else:
        envs = gym.vector.SyncVectorEnv([wrapped] * 3, autoreset_mode=AutoresetMode.NEXT_STEP)
    columns = collect(envs, 40)
    with pytest.raises(AssertionError, match="row 0"):
        assert_same(by_row(*columns), witness.rows)


def test_a_fleet_gives_every_transition(witness: Witness) -> None:
    envs = gan_env.Fleet([{"num_envs": 2}, {"num_envs": 1, "num_decisions": 7}])
    assert_same(by_row(*collect(envs, 40)), witness.rows)
