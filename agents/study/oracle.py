"""The oracle of a study: for each test instance the best of many schedules, chosen by a few runs on that instance.

It knows its instance, which no schedule for unknown instances does. There may be better schedules than its candidates,
a few runs may pick a wrong one, and it doesn't react to a run. So it is no upper bound.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from agents.study.options import HELD_OUT
from agents.study.study import Study
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.seeds import ORACLE
from gan_env.evaluation.side_by_side import run_jobs
from gan_env.policies.presets import PolicyOptions, load_policy, observing, policy_of
from gan_env.policies.steering import Policy

KEEP_ONE_IN, MORE_RUNS = 4, 4
"""One candidate in `KEEP_ONE_IN` goes to the second round, which has `MORE_RUNS` times as many runs."""
ROUNDS_APART = 1_000_000
"""How far the seeds of both rounds are apart."""
PARTS = 4
"""The number of parts that the instances are divided into, for workers to share."""


def oracle_pool(study: Study) -> list[PolicyOptions]:
    """The candidates: what tunings found, with all finalists of each schedule's first one, and the usual schedules."""
    found = [fields for name in study.schedules for fields in study.tuning_result(name, 0).finalists]
    found += [
        study.tuning_result(name, seed).policy for name in study.schedules for seed in range(1, study.tunings[name])
    ]
    pool = [policy_of(fields) for fields in found]
    return pool + [p for p in map(load_policy, study.options.policies) if p.kind in ("schedule", "published")]


def play_oracle(study: Study) -> Episodes:
    """Episodes of the best candidate for each instance, chosen on other runs than these."""
    parts = [(play_part(study, part), _places(study, part)) for part in oracle_parts(study)]
    joined = Episodes.join([played for played, _ in parts], sum(played.gan_updates for played, _ in parts))
    return joined.take(np.argsort(np.concatenate([places for _, places in parts])))


def oracle_parts(study: Study) -> list[range]:
    """The test instances in parts, for workers to share."""
    instances = range(study.options.instances)
    return [instances[first::PARTS] for first in instances[:PARTS]]


def play_part(study: Study, instances: range) -> Episodes:
    """The oracle on one part of the instances."""
    pool = oracle_pool(study)
    rests_on = [study.options.oracle_runs, *map(asdict, pool)]
    digest = sha256(json.dumps(rests_on).encode()).hexdigest()[:8]

    def run() -> Episodes:
        seen = [group for policy in pool for group in policy.groups]
        env = study.env(observing(study.options.changed_env({"split": "test"}), seen))
        candidates = [policy.make(env) for policy in pool]
        with tqdm(unit="run", desc=f"oracle, instances from {instances.start}") as bar:

            def show(done: int, total: int) -> None:
                bar.total, bar.n = total, done
                bar.refresh()

            picks = best_of_each(env, candidates, instances, ORACLE, study.options.oracle_runs, show)
        best, (seeds, met) = dict(zip(instances, picks.tolist(), strict=True)), study.runs(HELD_OUT)
        return run_jobs(env, candidates, [(best[met[i]], seeds[i], met[i]) for i in _places(study, instances)])

    return study.episodes(f"{HELD_OUT}/oracle-{digest}-{instances.start}", run)


def _places(study: Study, instances: range) -> list[int]:
    """Places of a part's runs among all held-out runs."""
    return [place for place, instance in enumerate(study.runs(HELD_OUT)[1]) if instance in instances]


def best_of_each(
    env: GANVectorEnv,
    candidates: Sequence[Policy],
    instances: Sequence[int],
    seed: int,
    runs: int,
    report: Callable[[int, int], None] = lambda *_: None,
) -> NDArray[np.int64]:
    """Index of the candidate with the lowest mean final log metric on each of some instances of `env`.

    Args:
        env: with `AutoresetMode.DISABLED`.
        candidates: the schedules.
        instances: indices of the instances; the pick for one doesn't depend on the others.
        seed: of the first run; the two rounds share no runs, and the final scoring should use others.
        runs: runs of a candidate on an instance in the first round.
        report: called with (done, total) after each batch of a round.
    """
    alive = np.tile(np.arange(len(candidates)), (len(instances), 1))  # [instances, remaining candidates]
    for repeats, keep in ((runs, -(-len(candidates) // KEEP_ONE_IN)), (MORE_RUNS * runs, 1)):
        jobs = [
            (int(candidate), seed + instance * repeats + run, instance)
            for instance, left in zip(instances, alive, strict=True)
            for candidate in left
            for run in range(repeats)
        ]
        means = run_jobs(env, candidates, jobs, report).validation.reshape(*alive.shape, repeats).mean(axis=2)
        alive = np.take_along_axis(alive, np.argsort(means, axis=1, kind="stable")[:, :keep], axis=1)
        seed += ROUNDS_APART
    best: NDArray[np.int64] = alive[:, 0]
    return best
