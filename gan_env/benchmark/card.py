"""Plays a policy by a protocol, beside constants and the committed tuned schedules, and writes down how it did."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gan_env import GANVectorEnv
from gan_env.benchmark.protocols import Protocol, rounded
from gan_env.config import RUN_OPTIONS, EnvConfig, env_config
from gan_env.errors import require
from gan_env.evaluation.best_of import worth
from gan_env.evaluation.intervals import bootstrap_interval, probability_of_improvement, stratified_gain
from gan_env.evaluation.rollout import run_episodes
from gan_env.evaluation.runs import Runs
from gan_env.evaluation.updates_saved import updates_saved
from gan_env.files import write_json, write_text
from gan_env.policies import Policy, load_policy
from gan_env.policies.presets import committed, kinds_of_runs
from gan_env.records import Float64

Make = Callable[[GANVectorEnv], Policy]


@dataclass(frozen=True)
class Card:
    """How a policy did. Scores are logarithms, lower is better; intervals are of 95 %, for new instances.

    Attributes:
        policy: what it was called.
        protocol, sha256: what was played.
        observation: groups of statistics that it saw.
        score: mean final score, `value` and `over_instances`.
        curve: mean score from the untrained generator to the end, [T + 1].
        crashed: share of its runs that crashed.
        against: opponent -> `gain` in the score, `p_better` (that a run is better than one of it on the same instance),
            `updates_saved` (share of the run left when the opponent's final mean is reached), and its own `curve`.
        worth: search -> tuning runs on the very instance that one run is worth; empty without a data set of runs.
        cost: `wall_s` of playing, `gan_updates` of playing and, where known, of `training`.
        made_with: versions and machine.
    """

    policy: str
    protocol: str
    sha256: str
    observation: tuple[str, ...]
    score: dict[str, Any]
    curve: list[float]
    crashed: float
    against: dict[str, dict[str, Any]]
    worth: dict[str, dict[str, Any]]
    cost: dict[str, Any]
    made_with: dict[str, str]

    def describe(self) -> str:
        """For people."""
        lines = [f"{self.policy} on {self.protocol} ({self.sha256[:12]})", f"sees        {', '.join(self.observation)}"]
        lines += [f"score       {_shown(self.score)}", f"crashed     {self.crashed:.1%} of the runs"]
        for name, each in self.against.items():
            gain, better, saved = (each[key] for key in ("gain", "p_better", "updates_saved"))
            lines.append(
                f"over {name}: gain {_shown(gain, '+')}, P(better) {_shown(better)}, updates saved {_shown(saved)}"
            )
        if self.worth:
            counts = ", ".join(f"{each['at_least']} of {name}" for name, each in self.worth.items())
            lines.append(f"one run is worth at least so many tuning runs on the very instance (95 %): {counts}")
        lines.append("cost        " + ", ".join(f"{name} {value:,}" for name, value in self.cost.items()))
        return "\n".join(lines)

    def row(self) -> str:
        """A line of the table in docs/benchmark.md."""
        gains = [f"{_shown(each['gain'], '+')}, {each['p_better']['value']:.2f}" for each in self.against.values()]
        return f"| {self.policy} | {self.protocol} | {_shown(self.score)} | {' | '.join(gains)} |"

    def write(self, folder: Path) -> None:
        """Writes card.json and card.txt."""
        write_json(folder / "card.json", asdict(self))
        text = f"{self.describe()}\n\n{self.row()}\n"
        write_text(folder / "card.txt", text)


def enter(
    protocol: Protocol,
    policy: str,
    make: Make,
    observation: Sequence[str] | None = None,
    action_mode: str = "delta",
    rows: int = 96,
    training: int | None = None,
    runs: Runs | None = None,
    report: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> Card:
    """Plays a policy and its opponents.

    Args:
        protocol: what is played.
        policy: what it is called.
        make: makes it, given the environment that it acts in.
        observation: what it sees; None: all that it may.
        action_mode: how it moves the knobs; see `Protocol.make_env`.
        rows: GANs that run side by side.
        training: GAN updates that its training or tuning took, if known.
        runs: of searches on the first instances of the protocol, for what a run is worth.
        report: called with what is played next.
        **options: of the environment; see `Protocol.make_env`.

    Raises:
        ConfigError: it doesn't fit the protocol, or the runs are of other instances or of another environment.
    """
    env = protocol.make_env(rows, observation, action_mode, **options)
    player = make(env)
    require_runs_of(protocol, env, runs)
    started = time.perf_counter()
    report(policy)
    curves, crashed = _play(protocol, env, player)  # [1, I, G, T + 1]
    wall = time.perf_counter() - started
    seen = protocol.make_env(rows, **options)
    against = {}
    for name, members in opponents(protocol, env).items():
        report(name)
        theirs = np.concatenate([_play(protocol, seen, load_policy(member).make(seen))[0] for member in members])
        against[name] = compare(curves, theirs)
    by_instance = curves[0].mean(axis=1)  # [I, T + 1]
    final = by_instance[:, -1]
    interval = bootstrap_interval(final, lambda x: np.asarray(x.mean(axis=-1)))
    costs = {"wall_s": round(wall, 1), "gan_updates": protocol.instances * protocol.runs * env.config.updates}
    return Card(
        policy,
        protocol.name,
        protocol.sha256,
        env.config.observation,
        {"value": float(final.mean()), "over_instances": interval},
        by_instance.mean(axis=0).tolist(),
        crashed,
        against,
        {} if runs is None else _worth(runs, final),
        costs if training is None else {**costs, "training": training},
        {**{name: version(name) for name in ("gan_env", "torch", "numpy")}, "machine": platform.machine()},
    )


def opponents(protocol: Protocol, env: GANVectorEnv) -> dict[str, list[str]]:
    """Opponent -> names of its policies, one for each tuning; those of other kinds where what they see is shown."""
    seen, kinds = protocol.observation, {"schedule": "tuned schedules"}
    kinds |= {"rates": "tuned rates"} if "context" in seen else {}
    kinds |= {"step_size": "tuned step sizes"} if "steps" in seen else {}
    tuned = {label: committed(env.config, kind) for kind, label in kinds.items()}
    return {"constants": ["fixed"], **{label: names for label, names in tuned.items() if names}}


def compare(curves: Float64, theirs: Float64) -> dict[str, Any]:
    """A policy's curves [S, I, G, T + 1] beside an opponent's [S', I, G, T + 1]."""
    mine, other = curves[..., -1], theirs[..., -1]
    return {
        "gain": stratified_gain(mine, other),
        "p_better": probability_of_improvement(mine, other),
        "updates_saved": updates_saved(curves.mean(axis=(0, 2)), theirs.mean(axis=(0, 2))),
        "curve": theirs.mean(axis=(0, 1, 2)).tolist(),
    }


def require_runs_of(protocol: Protocol, env: GANVectorEnv, runs: Runs | None) -> None:
    """Raises a `ConfigError` unless the runs are like the protocol's, of its first instances and of no more."""
    if runs is not None:
        theirs = [rounded(one) for one in runs.about["instances"]]
        ours = [rounded(vars(one)) for one in env.instances.instances[: protocol.instances]]
        fits = theirs == ours[: len(theirs)]
        require(fits, "runs", f"{len(theirs)} instances", f"the first instances of {protocol.name}, and no more")
        options = {name: value for name, value in runs.about["env"].items() if name not in RUN_OPTIONS}
        made, now = _scored(env_config(**options)), _scored(env.config)
        other = [f"{name}={made[name]!r}" for name in now if made[name] != now[name]]
        require(not other, "runs", other, f"runs of {protocol.name}, as `worth.py` makes them with its options")


def _scored(config: EnvConfig) -> dict[str, Any]:
    """What an environment's scores depend on."""
    return {**kinds_of_runs(config), "metric_samples": config.metric_samples}


def _play(protocol: Protocol, env: GANVectorEnv, policy: Policy) -> tuple[Float64, float]:
    """Score from the untrained generator to the end of every run, [1, I, G, T + 1], and the share that crashed."""
    instances, seeds = protocol.jobs()
    played = run_episodes(policy, env, seeds, instances)
    curves = played.score.astype(np.float64).reshape(1, protocol.instances, protocol.runs, -1)
    return curves, float(played.crashed.mean())


def _worth(runs: Runs, final: Float64) -> dict[str, dict[str, Any]]:
    """What one run with the mean final scores [I] is worth in runs of each search."""
    count, found = len(runs.about["instances"]), {}
    for method in np.unique(runs.method).tolist():
        per_instance = runs.decisions[runs.method == method].sum() / runs.knobs.shape[1] / count
        each = worth(runs.curves(method, int(per_instance)), final[:count])
        found[method] = {"meets": each.meets, "at_least": each.at_least, "at_most": each.at_most}
    return found


def _shown(found: Mapping[str, Any], sign: str = "") -> str:
    low, high = found["over_instances"]
    return f"{found['value']:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"
