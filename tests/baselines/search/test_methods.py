"""Methods of tuning: each learns, keeps to its budget, and goes on after a kill as if nothing had happened."""

import json
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_env
from gymnasium.vector import AutoresetMode

from baselines.search import population_based
from baselines.search.methods import METHODS
from baselines.search.population_based import SIZE
from baselines.search.spaces import table_of
from baselines.search.task import Task, Tried
from baselines.search.tuner import TuneOptions, tune_in
from gan_env import ConfigError, GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.side_by_side import Job
from gan_env.policies.presets import policy_of
from gan_env.policies.tables import TablePolicy


def make(rows: int = 16) -> GANVectorEnv:
    return small_env.make(rows, autoreset_mode=AutoresetMode.DISABLED, num_decisions=4, updates_per_decision=1)


def kind_for(method: str) -> str:
    return "curves" if method in ("cma_es", "population") else "schedule"


def task(method: str, env: GANVectorEnv, runs: int = 2, batches: int = 9) -> Task:
    return Task(env, kind_for(method), runs, 100, batches)


def scored(env: GANVectorEnv, policies: list[TablePolicy], jobs: list[Job], *_: object) -> Episodes:
    """Stands in for GAN runs: the lower the nearer all coordinates are to 0.7; noise by seed."""
    table = np.stack([policies[owner].table for owner, _, _ in jobs])
    noise = np.array([np.random.default_rng(seed).normal() for _, seed, _ in jobs])
    final = ((table - 0.7) ** 2).mean(axis=(1, 2)) + 0.01 * noise
    return Episodes(final[:, None], final[:, None], table, table[:, :, 0], final > np.inf, {}, 0)


def distance(one: Tried, env: GANVectorEnv) -> float:
    return float(((table_of(policy_of(one["policy"]), env) - 0.7) ** 2).mean())


@pytest.mark.parametrize("method", METHODS)
def test_it_keeps_to_its_budget_and_uses_most_of_it(method: str, tmp_path: Path) -> None:
    env = make()
    options = TuneOptions(kind=kind_for(method), method=method, budget=700, runs=2, rows=16, folder=str(tmp_path))
    found = tune_in(env, options)
    assert 0.8 * 700 < found.gan_updates == env.gan_updates <= 700
    assert found.trials >= 8 and (method != "tpe" or found.trials % 8 == 0)  # sixteen rows, two runs each
    assert len({json.dumps(policy) for policy in found.finalists}) == len(found.finalists)


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_search_goes_on_as_an_uninterrupted_one(method: str) -> None:
    whole = list(islice(METHODS[method](task(method, make()), []), 5))
    for cut in (1, 2, 3):
        saved = json.loads(json.dumps([one for batch in whole[:cut] for one in batch]))
        rest = list(islice(METHODS[method](task(method, make()), saved), 5 - cut))
        assert rest == whole[cut:]


@pytest.mark.parametrize("method", ["random", "halving", "cma_es"])
def test_candidates_are_drawn_anew_in_every_batch(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.search.task.run_jobs", scored)
    batches = list(islice(METHODS[method](task(method, make(), batches=30), []), 4))
    policies = [json.dumps(one["policy"]) for batch in batches for one in batch]
    assert len(set(policies)) == len(policies)


def test_cma_es_comes_closer_than_random_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has settled, in the last ten of 40 batches, on average: a lucky draw decides nothing."""
    monkeypatch.setattr("baselines.search.task.run_jobs", scored)
    env, settled = make(), {}
    for method in ("cma_es", "random"):
        last = list(islice(METHODS[method](task(method, env), []), 40))[30:]
        settled[method] = np.mean([distance(one, env) for batch in last for one in batch])
    assert settled["cma_es"] < 0.5 * settled["random"]


def test_halving_plays_the_best_third_again_on_three_times_as_many_fresh_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[set[int]] = []

    def spy(env: GANVectorEnv, policies: Any, jobs: list[Job], *_: object) -> Episodes:
        met.append({seed for _, seed, _ in jobs})
        return scored(env, policies, jobs)

    monkeypatch.setattr("baselines.search.task.run_jobs", spy)
    tried = [one for batch in METHODS["halving"](task("halving", make(36), runs=12), []) for one in batch]
    rungs = [[one for one in tried if one["rung"] == rung] for rung in range(3)]
    assert [len(rung) for rung in rungs] == [36, 12, 3]  # three batches each: 12 candidates of 3 runs, 4 of 9, 1 of 27
    for below, above in pairwise(rungs):
        ranked = sorted(below, key=lambda one: float(one["value"]))
        assert [one["policy"] for one in above] == [one["policy"] for one in ranked[: len(above)]]
    assert [len(seeds) for seeds in met] == [3] * 3 + [9] * 3 + [27] * 3
    assert not met[0] & met[3] and not met[3] & met[6]


def test_a_population_s_candidates_are_what_its_members_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that took over has the schedule of the one it copied until then."""
    env = make()
    seen: list[np.ndarray] = []
    take = population_based.Lanes.take

    def spy(lanes: Any, rows: Any) -> Any:
        seen.append(lanes.tables[rows].reshape(SIZE, 2, 4, -1))
        return take(lanes, rows)

    monkeypatch.setattr(population_based.Lanes, "take", spy)
    first, second = islice(METHODS["population"](task("population", env), []), 2)
    for batch, tables in zip((first, second), seen, strict=True):
        np.testing.assert_array_equal(tables[:, 0], tables[:, 1])  # the rows of a member
        found = np.stack([table_of(policy_of(one["policy"]), env) for one in batch])
        np.testing.assert_allclose(found, tables[:, 0], atol=1e-3)
    starts = {table[0].tobytes() for table in seen[0][:, 0]}
    assert len(starts) < SIZE  # copies share their beginning


def test_what_a_method_cannot_search_is_refused_with_help() -> None:
    with pytest.raises(ConfigError, match=r"kind='schedule'.*'curves', 'linear_rates'\], which method=cma_es searches"):
        TuneOptions(method="cma_es")
    with pytest.raises(ConfigError, match=r"rows=4.*at least 8"):
        TuneOptions(kind="curves", method="population", rows=4)
    with pytest.raises(ConfigError, match=r"method='luck'.*halving"):
        TuneOptions(method="luck")
