"""The oracle picks for each instance what is best there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from baselines.search.oracle import best_of_each
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.side_by_side import Job

BEST = np.array([3, 0, 7, 5, 5])


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> list[set[tuple[int, int]]]:
    """Candidate c scores (c - best of the instance)^2 plus noise of its own; what is met, by round."""
    rounds = []

    def scored(env: Any, candidates: Any, jobs: list[Job], report: Any) -> Episodes:
        rounds.append({(seed, instance) for _, seed, instance in jobs})
        noise = np.array([np.random.default_rng((seed, c)).normal() for c, seed, _ in jobs])
        final = np.array([(c - BEST[i]) ** 2 for c, _, i in jobs]) + candidates[-1] * noise
        # What is reported must not choose: by it the worst would be the best.
        return Episodes(final[:, None], -final[:, None], final, final, final > np.inf, {}, 0)

    monkeypatch.setattr("baselines.search.oracle.run_jobs", scored)
    return rounds


def picks(runs: int, noise: float, instances: Sequence[int] = range(5)) -> list[int]:
    """What is picked of eight candidates; the last one says how large the noise is."""
    return best_of_each(None, [*range(7), noise], instances, seed=50, runs=runs).tolist()  # type: ignore[list-item, arg-type]


def test_each_instance_gets_its_own_best_candidate(met: list[set[tuple[int, int]]]) -> None:
    assert picks(runs=2, noise=0.1) == BEST.tolist()
    seeds = [{seed for seed, _ in rounds} for rounds in met]
    assert len(seeds[0]) == 10 and len(seeds[1]) == 40  # a run is met on one instance alone
    assert not seeds[0] & seeds[1]


def test_too_few_runs_pick_wrongly_and_enough_rightly(met: list[set[tuple[int, int]]]) -> None:
    """Noise of 2 beside a lead of 1: the mean of 100 runs is known to 0.2."""
    assert sum(np.array(picks(runs=1, noise=2)) == BEST) < 5
    assert picks(runs=100, noise=2) == BEST.tolist()


def test_the_second_round_decides_with_more_runs(met: list[set[tuple[int, int]]]) -> None:
    """By three runs each, one instance would get a wrong candidate; twelve others of the best two put it right."""
    assert picks(runs=3, noise=2) == BEST.tolist()
    assert [len(rounds) for rounds in met] == [5 * 3, 5 * 12]


def test_what_is_picked_for_an_instance_does_not_depend_on_the_others(met: list[set[tuple[int, int]]]) -> None:
    """So that an oracle can be asked in parts."""
    assert picks(runs=1, noise=2, instances=[3, 1]) == [picks(runs=1, noise=2)[i] for i in (3, 1)]


def test_it_runs_in_the_environment() -> None:
    from gan_env.policies.presets import load_policy

    small: dict[str, Any] = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, **small)
    candidates = [load_policy(name).make(env) for name in ("fixed", "rising", "cosine", "linear", "plan")]
    picks = best_of_each(env, candidates, range(3), seed=0, runs=1)
    assert picks.shape == (3,)
    assert set(picks) <= set(range(5))
