"""Tunes an opponent by Optuna: `python baselines/tune.py kind=schedule env=points budget=5000000`.

Candidates are drawn by a tree-structured Parzen estimator (TPE, Bergstra et al. 2011). Each batch of them plays side by
side on the same training instances and GAN seeds; the best few are scored again on fresh ones, so that the winner isn't
chosen by luck. All of it fits a budget of GAN updates. The study is saved: after a kill, the same command goes on.
"""

import json
import pickle
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import optuna
import yaml
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from omegaconf import DictConfig
from tqdm import tqdm

from baselines.options import CONFIGS, PolicyOptions, load, register_presets
from baselines.search_spaces import SPACES, first_guesses
from baselines.side_by_side import run_jobs
from gan_env import GANVectorEnv
from gan_env.config import replace, require
from gan_env.files import write_atomically, write_json

Floats = NDArray[np.float64]
SECOND, LAST = 3, 12
"""Runs of a finalist in the two rounds of re-scoring, as multiples of a candidate's."""
RESCORED = 0.25
"""Largest share of the budget that re-scoring takes."""


@dataclass(frozen=True)
class TuneOptions:
    """Options of this script.

    Attributes:
        kind: what is tuned, a key of `SPACES`.
        env: preset and fields of `EnvConfig`.
        budget: GAN updates in all.
        runs: runs of a candidate, each on another training instance.
        finalists: candidates that are scored again, at most.
        rows: GANs that run side by side.
        seed: of the sampler and the first run.
        folder: where study and result go.
    """

    kind: str = "schedule"
    env: dict[str, Any] = field(default_factory=dict)
    budget: int = 5_000_000
    runs: int = 16
    finalists: int = 16
    rows: int = 96
    seed: int = 6_000_000
    folder: str = "logs/tune"

    def __post_init__(self) -> None:
        require(self.kind in SPACES, "kind", self.kind, f"one of {sorted(SPACES)}")
        for name in ("budget", "runs", "finalists", "rows"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        require(self.seed >= 0, "seed", self.seed, "at least 0")


@dataclass(frozen=True)
class Tuned:
    """What tuning found.

    Attributes:
        policy: the winner, as `PolicyOptions` has it.
        score: its mean final log metric in the last round of re-scoring, on fresh runs.
        finalists: the candidates that were scored again, best first.
        trials: candidates that were tried.
        gan_updates: GAN updates that tuning took.
    """

    policy: dict[str, Any]
    score: float
    finalists: list[dict[str, Any]]
    trials: int
    gan_updates: int


def tune(env: GANVectorEnv, options: TuneOptions, report: Callable[[int, float], None] = lambda *_: None) -> Tuned:
    """Finds the best policy of a kind, or goes on with the search that is in the folder.

    Args:
        env: training instances, `AutoresetMode.DISABLED`.
        options: what is tuned, and how long.
        report: called with (GAN updates so far, best score) after each batch.

    Raises:
        ConfigError: the budget doesn't reach for one batch and its re-scoring.
    """
    folder = Path(options.folder)
    finished = folder / f"{options.kind}.json"
    if finished.exists():
        return Tuned(**json.loads(finished.read_text()))
    batch = _batch_cost(env)
    per_finalist = (SECOND + LAST / 4) * options.runs * env.config.num_decisions * env.config.updates_per_decision
    finalists = min(options.finalists, max(1, int(RESCORED * options.budget / per_finalist)))
    reserve = _rescoring_cost(env, options.runs, finalists)
    least = f"at least {batch + reserve}: one batch of {env.num_envs} rows and the re-scoring of its best"
    require(options.budget >= batch + reserve, "budget", options.budget, least)
    path = folder / f"{options.kind}.study"
    study = _open_study(path)
    spent = round(sum(trial.user_attrs["gan_updates"] for trial in study.trials))
    while spent + _candidates_cost(env, options) + reserve <= options.budget:
        spent += _search_batch(study, env, options)
        write_atomically(path, lambda part: part.write_bytes(pickle.dumps(study)))
        report(spent, study.best_value)
    best = sorted(study.trials, key=lambda trial: trial.value or 0.0)
    distinct = {json.dumps(trial.user_attrs["policy"]): trial.user_attrs["policy"] for trial in best}
    ranked, score, used = _rescore(env, list(distinct.values())[:finalists], options)
    report(spent + used, score)
    found = Tuned(ranked[0], score, ranked, len(best), spent + used)
    write_json(finished, asdict(found))
    return found


def _open_study(path: Path) -> optuna.Study:
    """The study as the last batch left it, or a new one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if path.exists():
        study = pickle.loads(path.read_bytes())  # our own file
        assert isinstance(study, optuna.Study)
        return study
    return optuna.create_study()


def _search_batch(study: optuna.Study, env: GANVectorEnv, options: TuneOptions) -> int:
    """Draws, plays and tells as many candidates as fit into the rows; the GAN updates that it took."""
    done = len(study.trials)
    study.sampler = _sampler(options.seed + done)  # so a resumed study draws what an uninterrupted one does
    count = max(1, env.num_envs // options.runs)
    trials = []
    for index in range(done, done + count):
        guesses = first_guesses(options.kind, env)
        if index < len(guesses):
            study.enqueue_trial(guesses[index])
        trials.append(study.ask())
    policies = [SPACES[options.kind](trial, env) for trial in trials]
    scores, used = _score(env, policies, options.seed, options.runs)
    for trial, policy, score in zip(trials, policies, scores, strict=True):
        trial.set_user_attr("policy", {k: v for k, v in asdict(policy).items() if v})
        trial.set_user_attr("gan_updates", used / count)
        study.tell(trial, score)
    return used


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed % 2**31, n_startup_trials=32, multivariate=True, group=True, constant_liar=True
        )


def _score(env: GANVectorEnv, candidates: Sequence[PolicyOptions], seed: int, runs: int) -> tuple[list[float], int]:
    """Mean final log metric of each candidate on the same instances and GAN seeds, and the GAN updates it took."""
    before, policies = env.gan_updates, [candidate.make(env) for candidate in candidates]
    jobs = [(p, run, run % len(env.instances)) for p in range(len(policies)) for run in range(seed, seed + runs)]
    final = run_jobs(env, policies, jobs).final.astype(np.float64).reshape(len(policies), runs)
    return final.mean(axis=1).tolist(), env.gan_updates - before


def _rescore(
    env: GANVectorEnv, pool: list[dict[str, Any]], options: TuneOptions
) -> tuple[list[dict[str, Any]], float, int]:
    """Two rounds on fresh runs: the pool, then its best quarter. The order of all, the winner's score, the cost."""
    seed, used, order, scores = options.seed, 0, pool, [0.0]
    for count, runs in ((len(pool), SECOND * options.runs), (-(-len(pool) // 4), LAST * options.runs)):
        seed += runs  # beyond all runs before, as every round has at most a third of the next one's
        policies = [replace(PolicyOptions(), candidate, "policy.") for candidate in order[:count]]
        scores, cost = _score(env, policies, seed, runs)
        ranking = np.argsort(scores, kind="stable")
        order = [order[i] for i in ranking] + order[count:]
        used += cost
    return order, min(scores), used


def _batch_cost(env: GANVectorEnv) -> int:
    return env.num_envs * env.config.num_decisions * env.config.updates_per_decision


def _batches(env: GANVectorEnv, runs: int) -> int:
    return -(-runs // env.num_envs)


def _candidates_cost(env: GANVectorEnv, options: TuneOptions) -> int:
    count = max(1, env.num_envs // options.runs)
    return _batches(env, count * options.runs) * _batch_cost(env)


def _rescoring_cost(env: GANVectorEnv, runs: int, finalists: int) -> int:
    batches = _batches(env, finalists * SECOND * runs) + _batches(env, -(-finalists // 4) * LAST * runs)
    return batches * _batch_cost(env)


def save_policy(path: Path, found: Tuned, kind: str) -> None:
    """Writes the winner as a file for `configs/policy/`, or for a folder given by `--config-dir`."""
    tried = f"the best of {found.trials} candidates on training instances, {found.gan_updates} GAN updates"
    heading = f"# Tuned ({kind}): {tried}.\n"
    text = heading + yaml.safe_dump(found.policy, sort_keys=False)
    write_atomically(path, lambda part: part.write_text(text))


@hydra.main(version_base=None, config_path=CONFIGS, config_name="tune")
def main(config: DictConfig) -> None:
    """Entry point."""
    options = load(TuneOptions, config)
    env = GANVectorEnv(options.rows, autoreset_mode=AutoresetMode.DISABLED, **{**options.env, "split": "train"})
    with tqdm(total=options.budget, unit="update", unit_scale=True, desc=f"tuning {options.kind}") as bar:

        def show(spent: int, score: float) -> None:
            bar.set_postfix_str(f"best {score:.3f}")
            bar.update(spent - bar.n)

        found = tune(env, options, show)
    path = Path(options.folder) / "policy" / f"tuned_{options.kind}.yaml"
    save_policy(path, found, options.kind)
    print(f"{yaml.safe_dump(found.policy, sort_keys=False)}\nmean final log metric on fresh runs: {found.score:.3f}")
    print(f"play it: python baselines/run.py --config-dir {path.parent.parent} policy={path.stem}")


if __name__ == "__main__":
    register_presets()
    main()
