"""RLlib learns from every transition of our vector environment, in the one mode that it knows, and of single ones."""

import copy
import os
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from small_env import SMALL
from witness import Transition, Witness, assert_same

pytest.importorskip("ray.rllib", reason="RLlib is not installed: gan_env[libraries] brings it")

import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.tune import register_env

from gan_env import Fleet

Program = Callable[..., dict[str, Any]]
Episodes = list[Any]


@pytest.fixture(scope="module", autouse=True)
def small_ray() -> Iterator[None]:
    """A Ray of this module's own, on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=1, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def episodes(monkeypatch: pytest.MonkeyPatch) -> Episodes:
    """What the environment runner hands to the learner from now on."""
    handed: Episodes = []
    sample = SingleAgentEnvRunner.sample

    def kept(runner: SingleAgentEnvRunner, **given: Any) -> Any:
        result = sample(runner, **given)
        handed.extend(copy.deepcopy(result))  # the learner lengthens episodes to bootstrap from them
        return result

    monkeypatch.setattr(SingleAgentEnvRunner, "sample", kept)
    return handed


def by_row(episodes: Episodes, rows: list[list[Transition]]) -> list[list[Transition]]:
    """The transitions of the episodes, dealt to the rows: a run is recognised by its first observation."""
    runs: dict[str, list[Transition]] = {}
    for episode in episodes:  # pieces of runs
        obs, actions, rewards = episode.get_observations(), episode.get_actions(), episode.get_rewards()
        steps = [Transition(obs[t], actions[t], rewards[t], obs[t + 1], False) for t in range(len(rewards))]
        if episode.is_terminated:
            steps[-1] = Transition(obs[-2], actions[-1], rewards[-1], obs[-1], True)
        runs.setdefault(episode.id_, []).extend(steps)
    dealt: list[list[Transition]] = [[] for _ in rows]
    for run in runs.values():
        owners = [i for i, row in enumerate(rows) if any(np.array_equal(run[0].obs, t.obs) for t in row)]
        dealt[owners[0] if owners else 0].extend(run)
    return dealt


def test_ppo_learns_from_every_transition(run_program: Program, episodes: Episodes, witness: Witness) -> None:
    program = run_program("ppo_rllib")
    assert program["result"]["learners"]["default_policy"]["num_module_steps_trained_lifetime"] >= 80
    program["algorithm"].stop()
    assert_same(by_row(episodes, witness.rows), witness.rows)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep", "single"])
def test_the_runner_gets_every_transition_unless_it_is_given_another_mode(
    mode: str, episodes: Episodes, witness: Witness
) -> None:
    config = PPOConfig().environment("gan_env/Points-v1").env_runners(num_env_runners=0, num_envs_per_env_runner=2)
    if mode != "single":
        config.env_runners(gym_env_vectorize_mode=gym.VectorizeMode.VECTOR_ENTRY_POINT)
        config.environment(env_config={"autoreset_mode": mode})
    SingleAgentEnvRunner(config=config).sample(num_timesteps=60, random_actions=True)
    if mode == "SameStep":
        with pytest.raises(AssertionError, match="row 0"):
            assert_same(by_row(episodes, witness.rows), witness.rows)
    else:
        assert_same(by_row(episodes, witness.rows), witness.rows)


def test_it_trains_on_a_fleet() -> None:
    """In the way in which it takes any vector environment."""
    members: list[dict[str, Any]] = [{"num_envs": 2, **SMALL}, SMALL]
    register_env("fleet", lambda _: Fleet(members, autoreset_mode="NEXT_STEP"))
    config = (
        PPOConfig()
        .environment("fleet")
        .env_runners(num_env_runners=0, num_envs_per_env_runner=3, gym_env_vectorize_mode="vector_entry_point")
        .training(train_batch_size=24, minibatch_size=8, num_epochs=1)
    )
    algorithm = config.build_algo()
    found = algorithm.train()["env_runners"]
    algorithm.stop()
    assert found["episode_len_mean"] == SMALL["num_decisions"]
    assert np.isfinite(found["episode_return_mean"])
    assert found["num_env_steps_sampled"] >= 24
