"""What a training script ends with: a study of this one training, whose folder is the run folder."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from agents.learning.options import RunOptions
from agents.learning.run_folder import RunFolder
from agents.study.check import check_tunings
from agents.study.options import BEST, HELD_OUT, Controller, StudyOptions, opponent_name
from agents.study.pictures import DPI, curves_figure, knob_figure, sample_figure
from agents.study.play import gather, play_study, sample_files
from agents.study.readout import SUFFIXES
from agents.study.records import Summary, write_summary
from agents.study.study import Study
from agents.study.summary import summarize_study
from agents.study.verdict import verdict
from gan_env import GANVectorEnv
from gan_env.config import env_config
from gan_env.errors import ConfigError
from gan_env.evaluation.rollout import Episodes
from gan_env.policies.presets import PolicyOptions, committed, load_policy

TUNED = ("schedule", "rates")
"""Kinds of tuned opponents: a schedule of the knobs, and one of learning rates, which knows the rates of each run."""
TUNE_RUNS = 8
"""Runs of a candidate, where an opponent has to be tuned."""


def check_comparison(script: str, options: RunOptions, folder: RunFolder) -> None:
    """Raises a `ConfigError` where the comparison couldn't be made; to be called before training."""
    study = study_of_one(script, options, folder)
    if not study.committed:
        check_tunings(study, options.comparison.tune_updates, "comparison.tune_updates")


def compare_training(script: str, options: RunOptions, folder: RunFolder, costs: Mapping[str, Any]) -> None:
    """Compares a trained controller with schedules; writes `summary.json`, `table.txt` and pictures.

    Opponents are the tuned schedules that are committed for the preset, or, where none of them can act in this
    environment, a short tuning; the policies of `options.comparison`; and the controller's own mean trajectory. Cells
    that are done are not done again.

    Args:
        script: agents/train_SCRIPT.py trained it.
        options: of the training.
        folder: of the training.
        costs: what training took: `gan_updates`, `wall_s`.
    """
    study = study_of_one(script, options, folder)
    if missing := set(options.comparison.policies) - set(study.options.policies):
        print(f"not in the comparison, since they can't act in this environment: {', '.join(sorted(missing))}")
    play_study(study)
    summary = summarize_study(study)
    text = closing_table(summary)
    write_summary(folder.path / "summary.json", summary)
    folder.write("table.txt", lambda path: path.write_text(text + "\n"))
    for name, figure in pictures(study, summary).items():
        folder.write(f"{name}.png", partial(figure.savefig, dpi=DPI, format="png"))
        plt.close(figure)
    print(f"\n{text}\n\ntrained with {costs['gan_updates']:,} GAN updates in {costs['wall_s']:.0f} s: {folder.path}")


def study_of_one(script: str, options: RunOptions, folder: RunFolder) -> Study:
    """The study of one training, in its folder."""
    sizes = options.comparison
    env = {key: value for key, value in options.env.items() if key != "split"}
    made = GANVectorEnv(1, **env)
    found = {kind: _fitting(committed(env.get("preset", "points"), kind), made) for kind in TUNED}
    if not found["schedule"]:
        found = {}
    own = StudyOptions(
        env=env,
        controllers={script: Controller(script=script, seeds=1)},
        tuned={kind: len(policies) for kind, policies in found.items()} or {"schedule": 1},
        budget=sizes.tune_updates,
        tune_runs=TUNE_RUNS,
        policies=tuple(_fitting(sizes.policies, made)),
        oracle_runs=0,
        instances=min(sizes.instances, made.config.instances.test_size),
        gan_seeds=sizes.gan_seeds,
        rows=sizes.rows,
        seed=options.seed,
        folder=str(folder.path),
    )
    opponents = {opponent_name(kind): list(policies.values()) for kind, policies in found.items()}
    return Study(own, trained={(script, 0): folder.path}, committed=opponents)


def _fitting(names: Sequence[str], env: GANVectorEnv) -> dict[str, PolicyOptions]:
    """The policies of configs/policy/ that can act in an environment, by name."""
    found = {}
    for name in names:
        with suppress(ConfigError):
            load_policy(name).make(env)
            found[name] = load_policy(name)
    return found


def closing_table(summary: Summary) -> str:
    """The held-out setting as text, best policy first, and the verdict."""
    setting = summary.settings[HELD_OUT]
    rows = setting.rows
    lines = [
        f"Final log of the {setting.metric} on held-out instances (lower is better), with 95 % intervals;",
        "gain and P(better) are against the tuned schedule, with instances drawn anew (as in round brackets below);",
        f"learned: {summary.learned}; GAN updates: what finding the policy took, by training or by tuning.",
        "",
        f"{'policy':<22} {'seeds':>5} {'runs':>5} {'IQM':>7} {'95 % interval':>18} {'gain':>7} {'95 % interval':>18} "
        f"{'P(better)':>9} {'95 % interval':>14} {'crashes':>7} {'GAN updates':>12}",
    ]
    for name in sorted(rows, key=lambda n: rows[n].iqm.value):
        row, compared = rows[name], ""
        if against := row.against.get(BEST):
            gain, chance = against.gain, against.probability
            low, high = gain.over_instances or gain.ci95
            least, most = chance.over_instances or chance.ci95
            compared = f"{gain.value:>7.3f} [{low:>7.3f}, {high:>7.3f}] "
            compared += f"{chance.value:>9.2f} [{least:>5.2f}, {most:>5.2f}]"
        taken = "" if row.found.gan_updates is None else f"{row.found.gan_updates:,.0f}"
        low, high = row.iqm.ci95
        lines.append(
            f"{name:<22} {row.seeds:>5} {row.runs:>5} {row.iqm.value:>7.3f} [{low:>7.3f}, {high:>7.3f}] {compared:<51} "
            f"{row.crashes:>7} {taken:>12}"
        )
    known = ["tuned_rates knows the learning rates that a run starts with."] if "tuned_rates" in rows else []
    return "\n".join([*lines, "", *verdict(summary), *known])


def pictures(study: Study, summary: Summary) -> dict[str, Figure]:
    """The pictures of a training, by name."""
    learned, (setting, config) = summary.learned, (summary.settings[HELD_OUT], env_config(**study.options.env))
    parts = gather(study, HELD_OUT)
    shown = [learned, *(learned + suffix for suffix in SUFFIXES), *map(opponent_name, TUNED)]
    drawn = {name: parts[name] for name in shown if name in parts}
    ended = {name: Episodes.join(parts[name], 0) for name in (*drawn, "fixed", "cosine") if name in parts}
    files = sample_files(study, HELD_OUT)
    ranked = sorted({learned, BEST, *study.options.policies}, key=lambda name: setting.rows[name].iqm.value)
    return {
        "knobs": knob_figure(drawn, learned, config),
        "metric": curves_figure(ended, learned, config, setting.metric),
        "samples": sample_figure(files, ranked, learned, parts[learned][0], config, study.options.instances),
    }
