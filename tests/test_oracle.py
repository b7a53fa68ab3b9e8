"""The oracle picks for each instance what is best there."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from baselines.oracle import best_of_each
from baselines.rollout import Episodes
from baselines.side_by_side import Job
from gan_env import GANVectorEnv


def test_each_instance_gets_its_own_best_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidate c scores (c - best of the instance)^2 plus noise by seed."""
    best, met = np.array([3, 0, 7, 5, 5]), []

    def scored(env: Any, candidates: Any, jobs: list[Job], report: Any) -> Episodes:
        met.append({(seed, instance) for _, seed, instance in jobs})
        noise = np.array([np.random.default_rng(seed).normal() for _, seed, _ in jobs])
        final = np.array([(c - best[i]) ** 2 for c, _, i in jobs]) + 0.1 * noise
        return Episodes(final[:, None], final, final, final > np.inf, {}, 0)

    monkeypatch.setattr("baselines.oracle.run_jobs", scored)
    picks = best_of_each(None, list(range(8)), 5, seed=50, runs=2)  # type: ignore[arg-type]
    assert picks.tolist() == best.tolist()
    seeds = [{seed for seed, _ in rounds} for rounds in met]
    assert len(seeds[0]) == 10 and len(seeds[1]) == 40  # a run is met on one instance alone
    assert not seeds[0] & seeds[1]


def test_it_runs_in_the_environment() -> None:
    from baselines.options import load_policy

    small: dict[str, Any] = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, **small)
    candidates = [load_policy(name).make(env) for name in ("fixed", "rising", "cosine", "linear", "plan")]
    picks = best_of_each(env, candidates, 3, seed=0, runs=1)
    assert picks.shape == (3,)
    assert set(picks) <= set(range(5))
