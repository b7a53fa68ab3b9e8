"""Many policies in one environment: each row is steered as if its policy were alone."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.evaluation.side_by_side import SideBySide, run_jobs
from gan_env.policies.presets import load_policy
from gan_env.policies.random_policy import RandomPolicy
from gan_env.policies.schedules import Anneal
from gan_env.policies.tables import TablePolicy, schedule_values

SMALL: dict[str, Any] = {"num_decisions": 3, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


def make(rows: int) -> GANVectorEnv:
    return GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **SMALL)


def test_every_job_is_what_its_policy_does_alone() -> None:
    """Schedules, an adaptive rule and one that says nothing of its start, mixed, in batches that don't fit evenly."""
    env = make(4)
    policies = [
        TablePolicy(env, schedule_values(env, {"r1": Anneal("exponential", 0.3, 10.0)})),
        load_policy("ada").make(env),
    ]
    policies.append(load_policy("fixed").make(env))
    jobs = [(p, seed, seed % 5) for p in (2, 0, 1) for seed in (7, 8, 9)]
    together = run_jobs(env, policies, jobs)
    assert together.final.shape == (9,)
    for index, (p, seed, instance) in enumerate(jobs):
        alone = run_episodes(policies[p], env, [seed], [instance])
        np.testing.assert_allclose(together.log_metric[index], alone.log_metric[0], atol=1e-5)
        np.testing.assert_allclose(together.coordinates[index], alone.coordinates[0], atol=1e-6)


def test_a_policy_keeps_its_own_state() -> None:
    """A held random action is that of the row's policy in all decisions of the hold."""
    env = make(4)
    policy = SideBySide(env, [RandomPolicy(env, 0, hold=5), RandomPolicy(env, 1, hold=1)], np.array([0, 1, 1, 0]))
    observation = np.zeros((4, len(env.observer.names)), np.float32)
    first, state = policy.predict(observation)
    observation[:, env.observer.names.index("progress")] = 1 / 3
    second, _ = policy.predict(observation, state)
    assert (first[[0, 3]] == second[[0, 3]]).all()
    assert (first[[1, 2]] != second[[1, 2]]).all()


def test_updates_are_counted_and_batches_reported() -> None:
    env, seen = make(4), []
    policy = load_policy("fixed").make(env)
    played = run_jobs(env, [policy], [(0, s, 0) for s in range(6)], lambda *done: seen.append(done))
    assert seen == [(4, 6), (6, 6)]
    assert played.gan_updates == env.gan_updates == 2 * 4 * 3


def test_paired_jobs_of_one_policy_are_equal() -> None:
    env = make(3)
    policies = [load_policy("fixed").make(env)] * 2
    final = run_jobs(env, policies, [(0, 5, 1), (1, 5, 1)]).final
    assert final[0] == pytest.approx(final[1], abs=1e-6)
