"""stable-baselines3 learns from every transition: by id, of several environments, and by our adapter."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from witness import Transition, Witness, assert_same, by_row

pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed: gan_env[sb3] brings it")

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

Program = Callable[..., dict[str, Any]]


def rollout(model: PPO) -> list[list[Transition]]:
    """What PPO has just learned from. It keeps no next observations."""
    buffer, rows = model.rollout_buffer, model.n_envs
    starts = np.concatenate([buffer.episode_starts, np.asarray(model._last_episode_starts)[None]])  # [T+1, N]
    obs, actions = (column.reshape(rows, buffer.buffer_size, -1) for column in (buffer.observations, buffer.actions))
    return by_row(obs, actions, buffer.rewards.T, None, starts[1:].T)


def test_ppo_by_id_learns_from_every_transition(run_program: Program, witness: Witness) -> None:
    assert_same(rollout(run_program("ppo_stable_baselines3")["model"]), witness.rows)


def test_ppo_on_several_environments_learns_from_every_transition(witness: Witness) -> None:
    model = PPO("MlpPolicy", make_vec_env("gan_env/Points-v1", n_envs=2, seed=0), n_steps=32, batch_size=32)
    assert_same(rollout(model.learn(64)), witness.rows)


def test_sac_by_the_adapter_learns_from_every_transition(run_program: Program, witness: Witness) -> None:
    """With the last observation of each run."""
    buffer = run_program("sac_stable_baselines3")["model"].replay_buffer
    names = ("observations", "actions", "rewards", "next_observations", "dones")
    columns = [np.swapaxes(getattr(buffer, name)[: buffer.pos], 0, 1) for name in names]
    assert not buffer.timeouts.any()
    assert_same(by_row(*columns), witness.rows)
