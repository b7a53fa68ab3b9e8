"""Runs one policy on test instances: `python baselines/run.py policy=cosine env=points episodes=64 seed=1000`.

On training instances with `env.split=train`.
Prints a table and writes, to `folder`, a CSV row a decision (`decisions.csv`) and a JSON summary (`summary.json`).
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from omegaconf import DictConfig
from tqdm import tqdm

from baselines.options import load, register_presets, script
from gan_env import GANVectorEnv
from gan_env.config import to_dict
from gan_env.errors import require
from gan_env.evaluation.intervals import summarize
from gan_env.evaluation.rollout import Episodes, run_episodes
from gan_env.policies.presets import PolicyOptions


@dataclass(frozen=True)
class RunOptions:
    """Options of this script.

    Attributes:
        policy: the policy.
        env: preset and fields of `EnvConfig`; the split is "test" unless it is given.
        episodes: how many.
        seed: seed of the first episode.
        rows: GANs that run side by side.
        folder: where the results go.
    """

    policy: PolicyOptions = field(default_factory=PolicyOptions)
    env: dict[str, Any] = field(default_factory=dict)
    episodes: int = 64
    seed: int = 1000
    rows: int = 64
    folder: str = "logs/run"

    def __post_init__(self) -> None:
        require(self.episodes >= 1, "episodes", self.episodes, "at least 1")
        require(self.rows >= 1, "rows", self.rows, "at least 1")
        require(self.seed >= 0, "seed", self.seed, "at least 0")


def run(options: RunOptions) -> Episodes:
    """Runs the episodes and writes the files."""
    rows = min(options.rows, options.episodes)
    env = GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **{"split": "test", **options.env})
    policy = options.policy.make(env, options.seed)
    total = -(-options.episodes // rows) * env.config.num_decisions
    with tqdm(total=total, desc="decisions", unit="decision") as bar:
        seeds = range(options.seed, options.seed + options.episodes)
        episodes = run_episodes(policy, env, seeds, on_decision=lambda *_: bar.update())
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    instances = [e % len(env.instances) for e in range(options.episodes)]
    write_decisions(folder / "decisions.csv", episodes, seeds, instances)
    summary = {
        "metric": env.judge.metric_name,
        **summarize(episodes.final),
        "mean": float(episodes.final.mean()),
        "crashes": int(episodes.crashed.sum()),
        "gan_updates": episodes.gan_updates,
        "policy": asdict(options.policy),
        "env": {"preset": options.env.get("preset", "points"), **to_dict(env.config)},
        "seed": options.seed,
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print_curve(episodes, env)
    low, high = summary["ci95"]
    print(
        f"\n{env.judge.metric_name}, logarithm at the end: IQM {summary['iqm']:.3f} [{low:.3f}, {high:.3f}], ", end=""
    )
    print(f"n = {summary['n']}, crashes {summary['crashes']}\nwrote {folder}/decisions.csv and {folder}/summary.json")
    return episodes


def write_decisions(path: Path, episodes: Episodes, seeds: Sequence[int], instances: Sequence[int | str]) -> None:
    """A CSV row a decision: episode, seed, instance, decision, what the infos say, reward."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["episode", "seed", "instance", "decision", "log_metric", "reward", "crashed", *episodes.extras]
        )
        for e, (seed, instance) in enumerate(zip(seeds, instances, strict=True)):
            for t in range(episodes.rewards.shape[1]):
                values = [episodes.log_metric[e, t + 1], episodes.rewards[e, t]]
                extras = [f"{column[e, t]:.6g}" for column in episodes.extras.values()]
                crashed = int(episodes.crashed[e])
                writer.writerow([e, seed, instance, t, *(f"{v:.6g}" for v in values), crashed, *extras])


def print_curve(episodes: Episodes, env: GANVectorEnv) -> None:
    """Prints medians at five moments of the run."""
    names = [f"knob_{name}" for name in env.config.knobs]
    print(f"{'updates':>8} {'log metric':>10} " + " ".join(f"{n.removeprefix('knob_'):>14}" for n in names))
    last = episodes.rewards.shape[1]
    for t in np.unique(np.linspace(1, last, min(last, 5)).round().astype(int)):
        knobs = " ".join(f"{np.nanmedian(episodes.extras[n][:, t - 1]):>14.4g}" for n in names)
        print(f"{t * env.config.updates_per_decision:>8} {np.median(episodes.log_metric[:, t]):>10.3f} {knobs}")


@script("run")
def main(config: DictConfig) -> None:
    """Entry point."""
    run(load(RunOptions, config))


if __name__ == "__main__":
    register_presets()
    main()
