"""Tunes an opponent by Optuna: `python baselines/tune.py kind=schedule env=points budget=5000000`.

Candidates are drawn by a tree-structured Parzen estimator (TPE, Bergstra et al. 2011). Each batch of them plays side by
side on training instances and GAN seeds that no batch before has met, so the search can't fit itself to a few runs. The
leader, the best so far, plays in every batch: what is told of a candidate is how far it is from the leader, whose own
luck wears off. The best few are scored again on fresh runs. All of it fits a budget of GAN updates. The study is saved:
after a kill, the same command goes on.
"""

import json
import pickle
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from omegaconf import DictConfig
from optuna.trial import TrialState
from tqdm import tqdm

from baselines.options import load, register_presets, script
from baselines.search.spaces import SPACES, first_guesses
from gan_env import GANVectorEnv
from gan_env.config import replace, to_dict
from gan_env.errors import require
from gan_env.evaluation.side_by_side import run_jobs
from gan_env.files import write_atomically, write_json
from gan_env.policies.presets import PolicyOptions
from gan_env.resume import MAY_DIFFER, differences

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
    """Finds the best policy of a kind, or goes on with the search that is in the folder, or was finished there.

    Args:
        env: training instances, `AutoresetMode.DISABLED`.
        options: what is tuned, and how long.
        report: called with (GAN updates so far, best score) after each batch.

    Raises:
        ConfigError: the budget doesn't reach for one batch and its re-scoring, or the folder holds a search of this
            kind with other options.
    """
    folder = Path(options.folder)
    finished, path = folder / f"{options.kind}.json", folder / f"{options.kind}.study"
    check_budget(env, options)
    finalists = _finalists(env, options)
    reserve = _rescoring_cost(env, options.runs, finalists)
    _require_same(env, options, begun=finished.exists() or path.exists())
    if finished.exists():
        return Tuned(**json.loads(finished.read_text()))
    study = _open_study(path)
    spent = round(sum(trial.user_attrs["gan_updates"] for trial in study.trials))
    while spent + _candidates_cost(env, options) + reserve <= options.budget:
        spent += _search_batch(study, env, options)
        write_atomically(path, lambda part: part.write_bytes(pickle.dumps(study)))
        report(spent, min(_estimates(study)))
    best = [study.trials[number] for number in np.argsort(_estimates(study), kind="stable")]
    distinct = {json.dumps(trial.user_attrs["policy"]): trial.user_attrs["policy"] for trial in best}
    fresh = options.seed + study.user_attrs["batches"] * options.runs
    ranked, score, used = _rescore(env, list(distinct.values())[:finalists], options.runs, fresh)
    report(spent + used, score)
    found = Tuned(ranked[0], score, ranked, len(best), spent + used)
    write_json(finished, asdict(found))
    return found


def check_budget(env: GANVectorEnv, options: TuneOptions, key: str = "budget") -> None:
    """Raises a `ConfigError` unless the budget reaches for one batch of candidates and the re-scoring of the best."""
    least = _candidates_cost(env, options) + _rescoring_cost(env, options.runs, _finalists(env, options))
    expected = f"at least {least}: one batch of candidates and the re-scoring of the best"
    require(options.budget >= least, key, options.budget, expected)


def _finalists(env: GANVectorEnv, options: TuneOptions) -> int:
    """How many candidates are scored again."""
    each = (SECOND + LAST / 4) * options.runs * env.config.num_decisions * env.config.updates_per_decision
    return min(options.finalists, max(1, int(RESCORED * options.budget / each)))


def _require_same(env: GANVectorEnv, options: TuneOptions, begun: bool) -> None:
    """Saves the options of a search beside it; if it was begun, they must be those that it was begun with."""
    path = Path(options.folder) / f"{options.kind}.options.json"
    fields = {name: value for name, value in asdict(options).items() if name not in ("env", "folder")}
    fields |= {f"env.{name}": value for name, value in to_dict(env.config).items()}
    now = json.loads(json.dumps({name: value for name, value in fields.items() if name not in MAY_DIFFER}))
    there = json.loads(path.read_text()) if path.exists() else {}
    if begun:
        other = list(differences({name: there.get(name) for name in now}, now).values())
        expected = f"another one: this holds a search with other options ({'; '.join(other[:3])})"
        require(not other, "folder", options.folder, expected)
    write_json(path, now)


def _open_study(path: Path) -> optuna.Study:
    """The study as the last batch left it, or a new one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if path.exists():
        study = pickle.loads(path.read_bytes())  # our own file
        assert isinstance(study, optuna.Study)
        return study
    study = optuna.create_study()
    study.set_user_attr("batches", 0)
    study.set_user_attr("again", {})  # by the number of a trial: its scores in the batches that it led
    return study


def _search_batch(study: optuna.Study, env: GANVectorEnv, options: TuneOptions) -> int:
    """Draws, plays and tells as many candidates as fit into the rows beside the leader; the GAN updates it took."""
    done, batches = len(study.trials), study.user_attrs["batches"]
    study.sampler = _sampler(options.seed + done)  # so a resumed study draws what an uninterrupted one does
    leader = study.trials[int(np.argmin(_estimates(study)))] if done else None
    count = _side_by_side(env, options) - (leader is not None)
    trials, guesses = [], first_guesses(options.kind, env)
    for index in range(done, done + count):
        if index < len(guesses):
            study.enqueue_trial(guesses[index])
        trials.append(study.ask())
    policies = [SPACES[options.kind](trial, env) for trial in trials]
    playing = policies + ([replace(PolicyOptions(), leader.user_attrs["policy"], "policy.")] if leader else [])
    scores, used = _score(env, playing, options.seed + batches * options.runs, options.runs)
    easier = 0.0  # these runs than those on which the leader has been measured
    if leader:
        again = study.user_attrs["again"]
        again = again | {str(leader.number): [*again.get(str(leader.number), []), scores[-1]]}
        study.set_user_attr("again", again)
        easier = _estimates(study)[leader.number] - scores[-1]
    for trial, policy, score in zip(trials, policies, scores, strict=False):
        trial.set_user_attr("policy", {k: v for k, v in asdict(policy).items() if v})
        trial.set_user_attr("gan_updates", used / count)
        study.tell(trial, score + easier)
    study.set_user_attr("batches", batches + 1)
    return used


def _estimates(study: optuna.Study) -> list[float]:
    """The score of every trial that was told: the mean of that and of its scores in the batches that it has led."""
    again, told = study.user_attrs["again"], study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [float(np.mean([trial.value, *again.get(str(trial.number), [])])) for trial in told]


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
    env: GANVectorEnv, pool: list[dict[str, Any]], runs: int, seed: int
) -> tuple[list[dict[str, Any]], float, int]:
    """Two rounds, from run `seed` on: the pool, then its best quarter. All in order, the winner's score, the cost."""
    used, order, scores = 0, pool, [0.0]
    for count, each in ((len(pool), SECOND * runs), (-(-len(pool) // 4), LAST * runs)):
        policies = [replace(PolicyOptions(), candidate, "policy.") for candidate in order[:count]]
        scores, cost = _score(env, policies, seed, each)
        ranking = np.argsort(scores, kind="stable")
        order = [order[i] for i in ranking] + order[count:]
        used, seed = used + cost, seed + each
    return order, min(scores), used


def _batch_cost(env: GANVectorEnv) -> int:
    return env.num_envs * env.config.num_decisions * env.config.updates_per_decision


def _batches(env: GANVectorEnv, runs: int) -> int:
    return -(-runs // env.num_envs)


def _side_by_side(env: GANVectorEnv, options: TuneOptions) -> int:
    """Policies that play in a batch: the leader and at least one more."""
    return max(2, env.num_envs // options.runs)


def _candidates_cost(env: GANVectorEnv, options: TuneOptions) -> int:
    return _batches(env, _side_by_side(env, options) * options.runs) * _batch_cost(env)


def _rescoring_cost(env: GANVectorEnv, runs: int, finalists: int) -> int:
    batches = _batches(env, finalists * SECOND * runs) + _batches(env, -(-finalists // 4) * LAST * runs)
    return batches * _batch_cost(env)


def save_policy(path: Path, found: Tuned, kind: str) -> None:
    """Writes the winner as a file for `configs/policy/`, or for a folder given by `--config-dir`."""
    tried = f"the best of {found.trials} candidates on training instances, {found.gan_updates} GAN updates"
    heading = f"# Tuned ({kind}): {tried}.\n"
    text = heading + yaml.safe_dump(found.policy, sort_keys=False)
    write_atomically(path, lambda part: part.write_text(text))


def search(options: TuneOptions) -> Tuned:
    """Tunes in an environment of its own, and shows how far it is."""
    env = GANVectorEnv(options.rows, autoreset_mode=AutoresetMode.DISABLED, **{**options.env, "split": "train"})
    with tqdm(total=options.budget, unit="update", unit_scale=True, desc=f"tuning {options.kind}") as bar:

        def show(spent: int, score: float) -> None:
            bar.set_postfix_str(f"best {score:.3f}")
            bar.update(spent - bar.n)

        return tune(env, options, show)


@script("tune")
def main(config: DictConfig) -> None:
    """Entry point."""
    options = load(TuneOptions, config)
    found = search(options)
    path = Path(options.folder) / "policy" / f"tuned_{options.kind}.yaml"
    save_policy(path, found, options.kind)
    print(f"{yaml.safe_dump(found.policy, sort_keys=False)}\nmean final log metric on fresh runs: {found.score:.3f}")
    print(f"play it: python baselines/run.py --config-dir {path.parent.parent} policy={path.stem}")


if __name__ == "__main__":
    register_presets()
    main()
