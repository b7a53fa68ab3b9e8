"""What a controller is worth in tuning runs: `python baselines/worth.py policy=FOLDER env=points`.

Somebody who tunes makes k runs on the very problem that they have and keeps the best by its log metric. On every
held-out instance five searches make `runs` runs each, and all are kept; a controller makes one. The program tells how
many runs a search needs until the one that it keeps is as good, by the score, as one controlled run is on average.

| method | settings | by |
|---|---|---|
| rates | constant factors on both learning rates | random draws |
| random, tpe, halving | a schedule of every knob | random draws, Optuna's TPE, successive halving |
| population | every knob, varied on the way | population-based training |

A policy is a file of configs/policy/, the folder of a training, or `module:make`, a function of a module that makes
one. `folder` keeps the runs, and another policy is then compared with the same ones; after a kill, the same command
continues. It writes worth.json and worth.png there, and `data=PATH` writes the runs as a data set (docs/data/runs.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from baselines.options import errors_about_env, given_options, script
from baselines.playing import PlayOptions, play_options, updates_of_training
from baselines.search.kept_runs import LEAST_ROWS, SEARCHES, kept_runs
from gan_env import GANVectorEnv
from gan_env.errors import continued_by, needs, require, require_at_least
from gan_env.evaluation.best_of import Worth, pays_after, worth
from gan_env.evaluation.rollout import run_episodes
from gan_env.evaluation.seeds import CONTROLLED, WORTH, WORTH_APART
from gan_env.files import locked, require_writable, write_atomically, write_json
from gan_env.records import Float64

SHOWN = (1, 4, 16, 64, 256)
"""Numbers of tuning runs in the table."""


@dataclass(frozen=True)
class WorthOptions(PlayOptions):
    """Options of this script; the split is "test" unless `env` says otherwise.

    Attributes:
        methods: searches that are run, names in `SEARCHES`.
        instances: the first ones of the split.
        runs: of each method on each instance.
        controlled: runs of the controller on each instance, whose mean is compared.
        seed: of the first run.
        rows: GANs that run side by side.
        training_updates: GAN updates of the controller's training; None: what its folder says.
        folder: where runs and results are written; a job that it holds continues.
        name: of what plays, for people.
        data: file that the runs go to.
    """

    methods: tuple[str, ...] = tuple(SEARCHES)
    instances: int = 80
    runs: int = 256
    controlled: int = 16
    seed: int = WORTH
    rows: int = 160
    training_updates: int | None = None
    folder: str = "logs/worth"
    name: str = "the policy"
    data: str | None = None

    def __post_init__(self) -> None:
        for name in self.methods:
            require(name in SEARCHES, "methods", name, f"some of {list(SEARCHES)}")
        once = len(set(self.methods)) == len(self.methods) > 0
        require(once, "methods", self.methods, f"some of {list(SEARCHES)}, each once")
        rows = max(LEAST_ROWS.get(name, 1) for name in self.methods)
        require_at_least(self, instances=2, runs=1, controlled=1, rows=rows, seed=0)
        if self.training_updates is not None:
            require_at_least(self, training_updates=0)
        most = CONTROLLED // 4  # successive halving makes nearly four times as many
        require(self.runs <= most, "runs", self.runs, f"at most {most}")
        require(self.controlled <= WORTH_APART - CONTROLLED, "controlled", self.controlled, "at most 1000")


def play_controlled(options: WorthOptions) -> Float64:
    """Mean final score of runs with the controller on each instance, [I]."""
    env = GANVectorEnv(options.rows, autoreset_mode=AutoresetMode.DISABLED, **options.env)
    numbers = [
        (i, options.seed + WORTH_APART * i + CONTROLLED + run)
        for i, run in np.ndindex(options.instances, options.controlled)
    ]
    instances, seeds = zip(*numbers, strict=True)
    played = run_episodes(options.make_policy(env), env, seeds, instances)
    return np.asarray(played.final.astype(np.float64).reshape(options.instances, -1).mean(axis=1))


def table(found: Mapping[str, Worth], means: Mapping[str, Float64], trained: float | None) -> str:
    """One line per method: the best of k, what one controlled run is worth, and when training has paid for itself."""
    most = len(next(iter(means.values())))
    shown = [k for k in SHOWN if k <= most]
    lines = [f"{'best of':<12}" + "".join(f"{k:>8}" for k in shown) + "   one controlled run is worth [95 %]"]
    for name, each in found.items():
        scores = "".join(
            f"{means[name][k - 1]:>8.3f}" if np.isfinite(means[name][k - 1]) else f"{'':>8}" for k in shown
        )
        after = None if trained is None else pays_after(trained, each.at_least)
        never = "" if trained is None else ", training never pays"
        pays = never if after is None else f", trained after {after:,} GANs"
        lines.append(f"{name:<12}{scores}   {each.describe()}{pays}")
    return "\n".join(lines)


def draw(path: Path, found: Mapping[str, Worth]) -> None:
    """Writes a picture: how far one controlled run is ahead, by the number of tuning runs, with bands."""
    with needs("study"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for name, each in found.items():
        k = np.arange(1, len(each.gain) + 1)
        (line,) = axis.plot(k, each.gain, label=name)
        axis.fill_between(k, each.low, each.high, color=line.get_color(), alpha=0.15, linewidth=0)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set(
        xscale="log",
        xlabel="tuning runs on the very instance",
        ylabel="score of the best less that of one controlled run",
    )
    axis.legend()
    write_atomically(path, lambda part: figure.savefig(part, format="png", dpi=120))


def compare_with_searches(options: WorthOptions, search_env: dict[str, Any]) -> None:
    """Makes the runs that are missing, plays the controller, compares, and writes the files.

    Args:
        options: with the environment that the controller sees.
        search_env: the environment of the searches, which schedules play in.
    """
    folder = Path(options.folder)
    require_writable(folder, "folder")
    if options.data is not None:
        require(not Path(options.data).is_dir(), "data", options.data, "a file that is written, not a folder")
        require_writable(Path(options.data).parent, "data")
    with errors_about_env():
        env = GANVectorEnv(options.rows, autoreset_mode=AutoresetMode.DISABLED, **search_env)
        single = GANVectorEnv(1, **options.env)
    options.make_policy(single)  # which may refuse
    there = len(env.instances)
    require(options.instances <= there, "instances", options.instances, f"at most {there}, the env's test_size")
    with locked(folder):
        runs = kept_runs(env, options.methods, options.instances, options.runs, options.seed, folder)
        controlled = play_controlled(options)
    if options.data is not None:
        print(f"wrote {len(runs):,} runs to {runs.save(Path(options.data))}")
    curves = {name: runs.curves(name, options.runs) for name in options.methods}
    found = {name: worth(curve, controlled) for name, curve in curves.items()}
    updates = updates_of_training(options.controller, options.training_updates)
    trained = None if updates is None else updates / env.config.updates
    ends = f"mean final score {controlled.mean():.3f} on {options.instances} instances"
    print(f"\none run with {options.controller or options.name}: {ends}")
    print(table(found, {name: curve.mean(axis=0) for name, curve in curves.items()}, trained))
    write_json(
        folder / "worth.json",
        {
            "controlled": controlled.tolist(),
            "training_runs": trained,
            "instances": runs.about["sha256"],
            "worth": {name: each.to_json() for name, each in found.items()},
        },
    )
    draw(folder / "worth.png", found)
    print(f"wrote {folder}/worth.json and {folder}/worth.png")


@script("worth", WorthOptions(), __doc__)
def main(fields: dict[str, Any]) -> None:
    """Entry point."""
    options = play_options(WorthOptions(), fields, given_options())
    rates = {"instances": options.env["instances"]} if "instances" in options.env else {}  # a controller may set them
    with continued_by("the same command"):
        compare_with_searches(options, fields["env"] | rates)


if __name__ == "__main__":
    main()
