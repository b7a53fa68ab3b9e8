"""Plays one policy on test instances: `python baselines/run.py policy=cosine env=points episodes=64`.

A policy is a file of configs/policy/; a file of your own like those: `policy=mine.yaml`; the folder of a training:
`policy=logs/ppo/gan_env-Points-v1_1`; or `policy=module:make`, a function of a module that makes one.
`env.split=train` plays on training instances instead.
Prints a table, and writes a CSV file with one row per decision (`decisions.csv`) and `summary.json` to a folder of
logs/run that is new each time, or to `folder`.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from tqdm import tqdm

from baselines.options import errors_about_env, given_options, script
from baselines.playing import PlayOptions, open_folder, play_options
from gan_env import GANVectorEnv
from gan_env.errors import require_at_least
from gan_env.evaluation import Episodes, run_episodes
from gan_env.evaluation.intervals import summarize
from gan_env.evaluation.seeds import EXAMPLES
from gan_env.files import require_writable, write_atomically, write_json
from gan_env.saved_controller import DESCRIPTION
from gan_env.strict import to_dict


@dataclass(frozen=True)
class RunOptions(PlayOptions):
    """Options of this script; the split is "test" unless `env` says otherwise.

    Attributes:
        episodes: runs that are played.
        seed: of the first run's GAN; run e has seed + e and instance e.
        logs: with `name`, where the results go if no folder is given: LOGS/NAME, or the next free one.
        name: of the run.
        folder: where the results go. One with a run of other options is refused.
    """

    episodes: int = 64
    seed: int = EXAMPLES
    rows: int = 64
    logs: str = "logs/run"
    name: str = "run"
    folder: str | None = None

    def __post_init__(self) -> None:
        require_at_least(self, episodes=1, rows=1, seed=0)


def run(options: RunOptions) -> Episodes:
    """Runs the episodes and writes the files."""
    require_writable(Path(options.folder or options.logs), "folder" if options.folder else "logs")
    rows = min(options.rows, options.episodes)
    with errors_about_env():
        env = GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **{"split": "test", **options.env})
    policy = options.make_policy(env)
    config = {
        "policy": asdict(options.policy) if options.controller is None else options.controller,
        "env": {"preset": options.env.get("preset", "points"), **to_dict(env.config)},
        "seed": options.seed,
    }
    more: dict[str, Any] = {"episodes": options.episodes}
    if "image_folder" in env.config.datasets:
        more["images"] = env.config.data_root
    if options.controller and (saved := Path(options.controller) / DESCRIPTION).is_file():
        more["sha256"] = json.loads(saved.read_text())["sha256"]  # it may be trained anew in its place
    folder = open_folder(options.folder, Path(options.logs) / options.name, config | more)
    total = -(-options.episodes // rows) * env.config.num_decisions
    with tqdm(total=total, desc="decisions", unit="decision") as bar:
        seeds = range(options.seed, options.seed + options.episodes)
        episodes = run_episodes(policy, env, seeds, on_decision=lambda *_: bar.update())
    instances = [e % len(env.instances) for e in range(options.episodes)]
    write_atomically(folder / "decisions.csv", lambda part: write_decisions(part, episodes, seeds, instances))
    summary = {
        "metric": env.judge.metric_name,
        **summarize(episodes.final),
        "mean": float(episodes.final.mean()),
        "crashes": int(episodes.crashed.sum()),
        "gan_updates": episodes.gan_updates,
        **config,
    }
    write_json(folder / "summary.json", summary)
    print_curve(episodes, env)
    low, high = summary["ci95"]
    print(f"\n{env.judge.metric_name}, logarithm at the end: IQM {summary['iqm']:.3f} [{low:.3f}, {high:.3f}]")
    print(f"n = {summary['n']}, crashes {summary['crashes']}\nwrote {folder}/decisions.csv and {folder}/summary.json")
    return episodes


def write_decisions(path: Path, episodes: Episodes, seeds: Sequence[int], instances: Sequence[int | str]) -> None:
    """One CSV row per decision: the run, log metric (for choices), score (to be reported), reward, other infos."""
    columns = {"log_metric": episodes.log_metric[:, 1:], "score": episodes.score[:, 1:], "reward": episodes.rewards}
    crashed = np.broadcast_to(episodes.crashed[:, None], episodes.rewards.shape)
    columns |= {"crashed": crashed.astype(np.float32), **episodes.extras}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["episode", "seed", "instance", "decision", *columns])
        for e, (seed, instance) in enumerate(zip(seeds, instances, strict=True)):
            for t in range(episodes.rewards.shape[1]):
                writer.writerow([e, seed, instance, t, *(f"{column[e, t]:.6g}" for column in columns.values())])


def print_curve(episodes: Episodes, env: GANVectorEnv) -> None:
    """Prints medians at five moments of the run; the score is a logarithm, knobs are those of the interval before."""
    names, last = env.config.knobs, env.config.num_decisions
    print(f"medians over {len(episodes.final)} runs; score: log distance, lower is better")
    print(f"{'updates':>8} {'score':>10} " + " ".join(f"{name:>14}" for name in names))
    for t in np.unique(np.linspace(1, last, min(last, 5)).round().astype(int)):
        knobs = " ".join(f"{np.nanmedian(episodes.extras[f'knob_{name}'][:, t - 1]):>14.4g}" for name in names)
        print(f"{t * env.config.updates_per_decision:>8} {np.median(episodes.score[:, t]):>10.3f} {knobs}")


@script("run", RunOptions(), __doc__)
def main(fields: dict[str, Any]) -> None:
    """Entry point."""
    run(play_options(RunOptions(), fields, given_options()))


if __name__ == "__main__":
    main()
