"""Tunes a kind of policy by one of several methods, within a budget of GAN updates.

Candidates play in batches. All that are compared meet the same training instances and GAN seeds, so none is judged by
harder runs than another. The best few are scored again on fresh runs, since the search may have fitted itself to the
first ones. What was tried is saved after every batch: after a kill, the same call continues.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from gymnasium.vector import AutoresetMode
from tqdm import tqdm

from baselines.options import errors_about_env
from baselines.search import population_based
from baselines.search.methods import METHODS
from baselines.search.spaces import SPACES
from baselines.search.task import Task, play, side_by_side
from gan_env import GANVectorEnv
from gan_env.config import EnvConfig, require_training
from gan_env.errors import require, require_at_least
from gan_env.evaluation.seeds import TUNE
from gan_env.files import read_json, write_json, write_text
from gan_env.policies.presets import KINDS, PolicyOptions, observing, policy_of
from gan_env.resume import require_same
from gan_env.strict import to_dict

SECOND_ROUND, LAST_ROUND = 3, 12
"""Runs of a finalist in the two rounds of re-scoring, as multiples of a candidate's."""
KINDS_OF = {"cma_es": ("curves", "linear_rates"), "population": ("curves",)}
"""What a method can search, where it is not everything: curves of coordinates, no formulas."""
TOLD = ("rates", "linear_rates")
"""Kinds of policies that are told the learning rates that a run was started with."""
FINALISTS, RESCORED = 16, 0.25
"""Candidates that are scored again, at most, and the largest share of the budget that this takes."""


@dataclass(frozen=True)
class TuneOptions:
    """Options of a search.

    Attributes:
        kind: what is tuned: "schedule", "constants", "curves" (a schedule by its values), "rates" (schedules of
            learning rates themselves), "linear_rates" (curves of rates whose logarithms are linear in those of the
            learning rates that a run was started with), "step_size", "r3gan", "ada" or "diffusion".
        method: how candidates are found: "tpe", "random", "halving", "cma_es" (of curves and linear_rates) or
            "population" (of curves).
        env: preset and fields of `EnvConfig`.
        budget: GAN updates in all.
        runs: of a candidate, each on another training instance. Halving begins with a quarter of them; a member of a
            population has an eighth of the rows.
        rows: GANs that run side by side.
        seed: of the sampler and the first run.
        folder: where the search and its result are written.
    """

    kind: str = "schedule"
    method: str = "tpe"
    env: dict[str, Any] = field(default_factory=dict)
    budget: int = 5_000_000
    runs: int = 16
    rows: int = 96
    seed: int = TUNE
    folder: str = "logs/tune"

    def __post_init__(self) -> None:
        require_training(self.env)
        require(self.kind in SPACES, "kind", self.kind, f"one of {sorted(SPACES)}")
        require(self.method in METHODS, "method", self.method, f"one of {list(METHODS)}")
        kinds = KINDS_OF.get(self.method, tuple(SPACES))
        require(self.kind in kinds, "kind", self.kind, f"one of {list(kinds)}, which method={self.method} searches")
        rows = population_based.SIZE if self.method == "population" else 1
        require_at_least(self, budget=1, runs=1, rows=rows, seed=0)


@dataclass(frozen=True)
class Tuned:
    """What a search found."""

    policy: dict[str, Any]  # the fields of the winner's `PolicyOptions`
    score: float  # its mean final score in the last round of re-scoring, on fresh runs
    finalists: list[dict[str, Any]]  # the candidates that were scored again, best first
    trials: int  # candidates that were tried
    gan_updates: int  # that the search took


def looked_at(kind: str) -> tuple[str, ...]:
    """Groups of statistics that policies of a kind look at, besides progress and knobs."""
    return PolicyOptions("rates" if kind in TOLD else kind).groups if kind in (*TOLD, *KINDS) else ()


def tune(options: TuneOptions) -> Tuned:
    """Makes the environment, which shows what the policies look at, and shows progress, see `tune_in`."""
    with errors_about_env():
        seen = observing(options.env, ("progress", "knobs", *looked_at(options.kind)))
        env = GANVectorEnv(options.rows, autoreset_mode=AutoresetMode.DISABLED, **seen)
    with tqdm(total=options.budget, unit="update", unit_scale=True, desc=f"tuning {options.kind}") as bar:

        def show(spent: int, score: float) -> None:
            bar.set_postfix_str(f"best {score:.3f}")
            bar.update(spent - bar.n)

        return tune_in(env, options, show)


def tune_in(env: GANVectorEnv, options: TuneOptions, report: Callable[[int, float], None] = lambda *_: None) -> Tuned:
    """Finds the best policy of a kind, or continues the search in the folder; a finished one is only read.

    Args:
        env: training instances, `AutoresetMode.DISABLED`, with `options.rows` rows.
        options: what is tuned, and how long.
        report: called with (GAN updates so far, best log metric) after each batch.

    Raises:
        ConfigError: the budget is too small for one batch and its re-scoring, or the folder holds a search of this
            kind with other options.
    """
    check_budget(env.config, options)
    costs, folder = Costs(env.config, options), Path(options.folder)
    finished, path = folder / f"{options.kind}.json", folder / f"{options.kind}.trials.json"
    asked = {**to_dict(options), "env": to_dict(env.config)}
    del asked["folder"]
    new = {"options": asked, "gan_updates": 0, "trials": []}
    saved: dict[str, Any] = read_json(path) if path.exists() else new
    require_same(f"the search in {folder}", saved["options"], asked, "Choose another folder")
    if finished.exists():
        return Tuned(**read_json(finished))
    spent, trials = saved["gan_updates"], saved["trials"]
    task = Task(env, options.kind, options.runs, options.seed, (options.budget - costs.rescoring) // costs.batch)
    batches, before = METHODS[options.method](task, trials), env.gan_updates
    while spent + costs.batch + costs.rescoring <= options.budget and (batch := next(batches, None)):
        trials, spent, before = trials + batch, spent + env.gan_updates - before, env.gan_updates
        write_json(path, {"options": asked, "gan_updates": spent, "trials": trials})
        report(spent, min(tried["value"] for tried in trials))
    best = sorted(trials, key=lambda tried: (-tried.get("rung", 0), tried["value"]))
    distinct = {json.dumps(tried["policy"]): tried["policy"] for tried in best}
    pool = list(distinct.values())[: costs.finalists]
    ranked, score, used = _rescore(env, pool, options.runs, options.seed + options.runs)
    report(spent + used, score)
    count = sum(tried.get("rung", 0) == 0 for tried in trials)
    found = Tuned(ranked[0], score, ranked, count, spent + used)
    write_json(finished, asdict(found))
    return found


class Costs:
    """What a search takes, in GAN updates. Rows without a run left are filled up and count."""

    def __init__(self, config: EnvConfig, options: TuneOptions) -> None:

        def cost(runs: int) -> int:
            return -(-runs // options.rows) * options.rows * config.updates

        self.candidates = side_by_side(options.rows, options.runs)
        each = (SECOND_ROUND + LAST_ROUND / 4) * options.runs * config.updates
        self.finalists = min(FINALISTS, max(1, int(RESCORED * options.budget / each)))
        self.batch = cost(self.candidates * options.runs)  # to try them
        last = -(-self.finalists // 4)
        self.rescoring = cost(self.finalists * SECOND_ROUND * options.runs) + cost(last * LAST_ROUND * options.runs)


def check_budget(config: EnvConfig, options: TuneOptions, key: str = "budget") -> None:
    """Raises a `ConfigError` unless the budget is enough for one batch of candidates and the re-scoring of the best."""
    costs = Costs(config, options)
    least = costs.batch + costs.rescoring
    expected = f"at least {least}: one batch of candidates and the re-scoring of the best"
    require(options.budget >= least, key, options.budget, expected)


def _rescore(
    env: GANVectorEnv, pool: list[dict[str, Any]], runs: int, seed: int
) -> tuple[list[dict[str, Any]], float, int]:
    """Two rounds, from run `seed` on: the pool, then its best quarter. All ranked, the winner's score, the cost."""
    before, order, score = env.gan_updates, pool, 0.0
    for count, each in ((len(pool), SECOND_ROUND * runs), (-(-len(pool) // 4), LAST_ROUND * runs)):
        policies = [policy_of(candidate) for candidate in order[:count]]
        values, scores = play(env, policies, seed, each)
        ranking = np.argsort(values, kind="stable")
        order = [order[i] for i in ranking] + order[count:]
        seed, score = seed + each, float(scores[ranking[0]])
    return order, score, env.gan_updates - before


def save_policy(path: Path, found: Tuned, kind: str) -> None:
    """Writes the winner as a file for `configs/policy/`, or for a folder given by `--config-dir`."""
    tried = f"the best of {found.trials} candidates on training instances, {found.gan_updates} GAN updates"
    text = f"# Tuned ({kind}): {tried}.\n" + yaml.safe_dump(found.policy, sort_keys=False)
    write_text(path, text)
