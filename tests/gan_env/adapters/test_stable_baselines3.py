"""The adapter is what stable-baselines3's own wrapper is, and a trained model is a policy whose rows do not mix."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv
from trainings import ENV, tiny

from agents.learning.training import training_env
from agents.train_recurrent_ppo import RecurrentPPOOptions
from gan_env import ConfigError, GANEnv, GANVectorEnv
from gan_env.adapters.stable_baselines3 import SB3Policy, SB3VecEnv

ROWS = 3


@pytest.fixture(scope="module")
def policy() -> SB3Policy:
    """An untrained recurrent policy, whose memory acts all the same."""
    options = tiny("recurrent_ppo", {"rows": ROWS, "lstm_units": 8, "hidden": [8]})
    agent, vec_env = options.agent, training_env(options)
    assert isinstance(agent, RecurrentPPOOptions)
    vec_env.reset()
    network = {**agent.network(), "ortho_init": False}  # else the first actions are too small to differ
    arguments = agent.arguments(ENV["num_decisions"])
    model = RecurrentPPO("MlpLstmPolicy", vec_env, policy_kwargs=network, seed=0, **arguments)
    return SB3Policy(model, vec_env)


def test_stable_baselines3_makes_environments_by_their_id() -> None:
    """It tries `render_mode="rgb_array"` first."""
    by_id = PPO("MlpPolicy", "gan_env/Points-v1").env
    assert by_id is not None
    assert by_id.render_mode == "rgb_array"
    envs = make_vec_env("gan_env/Points-v1", n_envs=2, env_kwargs=ENV)
    width = GANVectorEnv(1, **ENV).single_observation_space.shape[0]
    assert np.shape(envs.reset()) == (2, width)


def observations(count: int, rows: int = ROWS) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    width = GANVectorEnv(1, **ENV).single_observation_space.shape[0]
    rng = np.random.default_rng(0)
    return [rng.normal(size=(rows, width)).astype(np.float32) for _ in range(count)]


def test_a_recurrent_policy_remembers(policy: SB3Policy) -> None:
    first, second = observations(2)
    _, state = policy.predict(first, None, np.ones(ROWS, bool))
    with_memory, _ = policy.predict(second, state, np.zeros(ROWS, bool))
    without, _ = policy.predict(second, None, np.ones(ROWS, bool))
    assert np.abs(with_memory - without).max(axis=1).min() > 1e-4


def test_a_row_forgets_where_its_episode_starts_and_the_others_do_not(policy: SB3Policy) -> None:
    first, second = observations(2)
    _, state = policy.predict(first, None, np.ones(ROWS, bool))
    remembered, _ = policy.predict(second, state, np.zeros(ROWS, bool))
    fresh, _ = policy.predict(second, None, np.ones(ROWS, bool))
    mixed, _ = policy.predict(second, state, np.array([False, True, False]))
    np.testing.assert_allclose(mixed[[0, 2]], remembered[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(mixed[1], fresh[1], atol=1e-6)


def test_memories_of_rows_do_not_mix(policy: SB3Policy) -> None:
    """A row alone does what it does beside others."""
    first, second = observations(2)
    state = alone = None
    for step, observation in enumerate((first, second)):
        start = np.full(ROWS, step == 0)
        together, state = policy.predict(observation, state, start)
        single, alone = policy.predict(observation[1:2], alone, start[:1])
    np.testing.assert_allclose(together[1:2], single, atol=1e-5)


def test_rows_can_have_seeds_of_their_own() -> None:
    vec_env = SB3VecEnv(GANVectorEnv(ROWS, **ENV), 0)
    vec_env.seed([5, 9, 5])
    obs = np.asarray(vec_env.reset())
    np.testing.assert_allclose(obs[0], obs[2], rtol=1e-5, atol=1e-6)  # they may run in blocks of different sizes
    assert not np.allclose(obs[0], obs[1], atol=1e-2)
    with pytest.raises(ConfigError, match="sequence of 3"):
        vec_env.seed([5, 9])


def test_options_are_those_of_the_next_reset() -> None:
    vec_env = SB3VecEnv(GANVectorEnv(ROWS, **ENV), 0)
    vec_env.set_options({"instance": 7, "knobs": {"r1": [0.3, 3.0, 30.0]}})
    vec_env.reset()
    assert vec_env.env.current_instances == [vec_env.env.instances[7]] * ROWS
    values = vec_env.env.knobs.values(torch.from_numpy(vec_env.env.coordinates()))
    np.testing.assert_allclose(values["r1"], [0.3, 3.0, 30.0], rtol=1e-4)
    vec_env.reset()
    assert len(np.unique(vec_env.env.coordinates(), axis=0)) == 1  # they are used once
    with pytest.raises(ConfigError, match="one mapping for all rows"):
        vec_env.set_options([{}] * ROWS)


def test_an_environment_that_is_not_reset_in_the_same_step_is_refused() -> None:
    """Else training would fail where the first episode ends."""
    vec_env = SB3VecEnv(GANVectorEnv(ROWS, autoreset_mode=AutoresetMode.DISABLED, **ENV), 0)
    with pytest.raises(ConfigError, match="SAME_STEP"):
        vec_env.reset()


def test_a_single_environment_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"env='GANEnv' .*a gan_env\.GANVectorEnv"):
        SB3VecEnv(GANEnv(**ENV), 0)  # type: ignore[arg-type]


def test_the_adapter_equals_a_dummy_vec_env_of_single_environments() -> None:
    """stable-baselines3's own wrapper around single environments is the reference, over episode ends."""
    rows = 3
    ours = SB3VecEnv(GANVectorEnv(rows, **ENV), seed=11)
    theirs = DummyVecEnv([lambda: GANEnv(**ENV)] * rows)
    theirs.seed(11)
    a, b = ours.reset(), theirs.reset()
    np.testing.assert_allclose(a, b, atol=1e-3)
    rng = np.random.default_rng(0)
    for _ in range(9):
        actions = rng.uniform(-1, 1, (rows, 5)).astype(np.float32)
        (a, reward_a, done_a, info_a), (b, reward_b, done_b, info_b) = ours.step(actions), theirs.step(actions)
        np.testing.assert_allclose(a, b, atol=1e-2)
        np.testing.assert_allclose(reward_a, reward_b, atol=1e-3)
        assert done_a.tolist() == done_b.tolist()
        for mine, other in zip(info_a, info_b, strict=True):
            assert ("terminal_observation" in mine) == ("terminal_observation" in other)
            if "terminal_observation" in mine:
                np.testing.assert_allclose(mine["terminal_observation"], other["terminal_observation"], atol=1e-2)
                assert mine["TimeLimit.truncated"] is other["TimeLimit.truncated"] is False


def test_rows_are_drawn_where_the_environment_can() -> None:
    env = SB3VecEnv(GANVectorEnv(2, **{**ENV, "render_mode": "rgb_array"}), seed=0)
    env.reset()
    assert [picture.shape for picture in env.get_images() if picture is not None] == [(432, 768, 3)] * 2
