"""A trained model as a policy: its memory goes row by row. test_train_ppo.py compares the adapter with DummyVecEnv."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from sb3_contrib import RecurrentPPO

from agents.learning.training import training_env
from agents.train_recurrent_ppo import RecurrentPPOOptions, TrainOptions
from gan_env import ConfigError, GANVectorEnv
from gan_env.adapters.stable_baselines3 import LearnedPolicy, SB3VecEnv, corrected
from gan_env.evaluation.rollout import run_episodes
from gan_env.policies.presets import PolicyOptions

ENV: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
ROWS = 3


@pytest.fixture(scope="module")
def policy() -> LearnedPolicy:
    """An untrained recurrent policy, whose memory acts all the same."""
    agent = RecurrentPPOOptions(rows=ROWS, lstm_units=8, hidden=(8,))
    vec_env = training_env(TrainOptions(agent=agent, env=ENV))
    vec_env.reset()
    network = {**agent.network(), "ortho_init": False}  # else the first actions are too small to differ
    model = RecurrentPPO("MlpLstmPolicy", policy_kwargs=network, seed=0, **agent.arguments(vec_env))
    return LearnedPolicy(model, vec_env)


def observations(count: int, rows: int = ROWS) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    width = GANVectorEnv(1, **ENV).single_observation_space.shape[0]
    rng = np.random.default_rng(0)
    return [rng.normal(size=(rows, width)).astype(np.float32) for _ in range(count)]


def test_a_recurrent_policy_remembers(policy: LearnedPolicy) -> None:
    first, second = observations(2)
    _, state = policy.predict(first, None, np.ones(ROWS, bool))
    with_memory, _ = policy.predict(second, state, np.zeros(ROWS, bool))
    without, _ = policy.predict(second, None, np.ones(ROWS, bool))
    assert np.abs(with_memory - without).max(axis=1).min() > 1e-4


def test_a_row_forgets_where_its_episode_starts_and_the_others_do_not(policy: LearnedPolicy) -> None:
    first, second = observations(2)
    _, state = policy.predict(first, None, np.ones(ROWS, bool))
    remembered, _ = policy.predict(second, state, np.zeros(ROWS, bool))
    fresh, _ = policy.predict(second, None, np.ones(ROWS, bool))
    mixed, _ = policy.predict(second, state, np.array([False, True, False]))
    np.testing.assert_allclose(mixed[[0, 2]], remembered[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(mixed[1], fresh[1], atol=1e-6)


def test_memories_of_rows_do_not_mix(policy: LearnedPolicy) -> None:
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


def test_without_a_base_an_action_stays_as_it_is() -> None:
    action = np.array([[3.0, -0.5]], np.float32)
    assert corrected(None, np.zeros((1, 4), np.float32), action) is action


def test_a_base_is_corrected_within_the_bounds() -> None:
    """An action of zero is the base's, in training and in play; a large one reaches the end of the range."""
    env = GANVectorEnv(ROWS, **ENV)
    base = PolicyOptions(knobs={"r1": {"kind": "fixed", "initial": 3.0}}).make(env)
    vec_env = SB3VecEnv(env, 0, base)
    observation = np.asarray(vec_env.reset())
    wanted, _ = base.predict(observation)
    column = env.config.knobs.index("r1")
    assert 0 < wanted[0, column] < 1
    np.testing.assert_array_equal(corrected(base, observation, np.zeros_like(wanted)), wanted)
    assert corrected(base, observation, np.full_like(wanted, 9.0)).max() == 1
    for _ in range(3):
        vec_env.step(np.zeros((ROWS, 3), np.float32))
    assert vec_env.observation[0, env.observer.names.index("knob_r1")] == pytest.approx(
        2 * float(env.knobs.table["r1"].encode(torch.tensor(3.0))) - 1, abs=1e-5
    )


def test_a_correction_of_nothing_is_the_base_from_the_first_update_on() -> None:
    env = GANVectorEnv(ROWS, autoreset_mode=AutoresetMode.DISABLED, **ENV)
    base = PolicyOptions(knobs={"r1": {"kind": "exponential", "initial": 9.0, "final": 1.0}}).make(env)
    nothing = SimpleNamespace(predict=lambda obs, state, *_: (np.zeros((len(obs), 3), np.float32), state))
    learned = LearnedPolicy(nothing, SimpleNamespace(normalize_obs=lambda obs: obs), base)  # type: ignore[arg-type]
    theirs, ours = (run_episodes(policy, env, range(ROWS)) for policy in (base, learned))
    np.testing.assert_array_equal(ours.coordinates, theirs.coordinates)
    np.testing.assert_array_equal(ours.final, theirs.final)
