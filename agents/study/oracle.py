"""The oracle of a study: the best of many schedules for each test instance, chosen by runs on that instance."""

import json
from dataclasses import asdict
from hashlib import sha256

import numpy as np
from tqdm import tqdm

from agents.study.options import HELD_OUT
from agents.study.study import Study
from baselines.search.oracle import best_of_each
from gan_env.config import replace
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.seeds import ORACLE
from gan_env.evaluation.side_by_side import run_jobs
from gan_env.policies.presets import PolicyOptions, load_policy, with_context

PARTS = 4
"""The number of parts that the instances are divided into, for workers to share."""


def oracle_pool(study: Study) -> list[PolicyOptions]:
    """The candidates: what tunings found, with all finalists of each schedule's first one, and the usual schedules."""
    found = [fields for name in study.schedules for fields in study.tuned(name, 0).finalists]
    found += [study.tuned(name, seed).policy for name in study.schedules for seed in range(1, study.tunings[name])]
    pool = [replace(PolicyOptions(), fields, "policy.") for fields in found]
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
        env = study.env(with_context(study.options.changed_env({"split": "test"})))  # the pool has schedules of rates
        candidates = [policy.make(env) for policy in pool]
        with tqdm(unit="run", desc=f"oracle, instances from {instances.start}") as bar:

            def show(done: int, total: int) -> None:
                bar.total, bar.n = total, done
                bar.refresh()

            picks = best_of_each(env, candidates, instances, ORACLE, study.options.oracle_runs, show)
        best, (seeds, met) = dict(zip(instances, picks.tolist(), strict=True)), study.runs(HELD_OUT)
        return run_jobs(env, candidates, [(best[met[i]], seeds[i], met[i]) for i in _places(study, instances)])

    return study.folder.cached_episodes(f"{HELD_OUT}/oracle-{digest}-{instances.start}", run)


def _places(study: Study, instances: range) -> list[int]:
    """Places of a part's runs among all held-out runs."""
    return [place for place, instance in enumerate(study.runs(HELD_OUT)[1]) if instance in instances]
