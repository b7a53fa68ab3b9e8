"""The command line of a training script: it trains, and ends with a study of this one training in the run folder."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from agents.learning.options import AgentOptions, TrainOptions
from agents.learning.run_folder import RunFolder, Train, checked_options, train_once
from agents.study.check import check_tunings
from agents.study.closing_table import closing_table
from agents.study.options import HELD_OUT, Controller, Setting, StudyOptions, opponent_name
from agents.study.pictures import DPI, study_pictures
from agents.study.play import gather, play_study
from agents.study.records import write_summary
from agents.study.study import Study
from agents.study.summary import summarize_study
from baselines.options import about, script
from gan_env import GANVectorEnv
from gan_env.config import env_config
from gan_env.errors import ConfigError, continued_by
from gan_env.files import locked, write_atomically, write_text
from gan_env.policies.presets import PolicyOptions, committed, load_policy, observing, own_file

TUNED = ("schedule", "rates", "step_size")
"""Kinds of tuned opponents: a schedule of the knobs, one of learning rates, which is told the rates of each run, and a
rule that holds step sizes, which it sees."""
BESIDE = ("fixed", "step_size")
"""Policies that play on the members of a family, besides the controller and the tuned schedule."""
TUNE_RUNS = 8
"""Runs of a candidate, where an opponent has to be tuned."""


def training_script(name: str, agent: AgentOptions, train: Train, purpose: str | None) -> Callable[[], None]:
    """The entry point of agents/train_NAME.py.

    Args:
        name: of the script.
        agent: the algorithm's options, at their defaults.
        train: trains in a run folder.
        purpose: the script's docstring, for `--help`.
    """

    @script(f"train_{name}", TrainOptions(agent), purpose)
    def main(fields: dict[str, Any]) -> None:
        options, resumed = checked_options(name, TrainOptions(agent), fields)
        study, opponents = comparison_of(name, options)
        if not opponents:
            check_tunings(study, options.comparison.tune_updates, "comparison.tune_updates")
        folder = resumed or RunFolder.new(name, options)  # a new one when nothing is refused any more
        again = shlex.join(["python", f"agents/train_{name}.py", f"resume={folder.path}"])
        with locked(folder.path), continued_by(again):
            folder.begin(name, options)
            if not (command := folder.settings / "command.txt").exists():
                words = shlex.join(["python", f"agents/train_{name}.py", *sys.argv[1:]])
                write_text(command, f"{words}\n")
            print(f"run folder: {folder.path}")
            costs = train_once(train, options, folder)
            compare_training(study_of_one(study, opponents, folder.path), costs)

    return main


def compare_training(study: Study, costs: Mapping[str, Any]) -> None:
    """Compares a trained controller with schedules; writes `summary.json`, `table.txt` and pictures.

    Opponents are the tuned schedules that are committed for runs like these, or, where there are none, a short tuning;
    the policies that the study names; and the controller's own mean trajectory. All of them play the environment of the
    study. Where the controller was trained on a family, it meets a few of them on each member, too. Finished cells are
    kept.

    Args:
        study: from `study_of_one`.
        costs: what training took: `gan_updates`, `wall_s`.
    """
    folder = study.path
    play_study(study)
    summary = summarize_study(study)
    text = closing_table(summary, study.options.instances)
    write_summary(folder / "summary.json", summary)
    write_text(folder / "table.txt", text + "\n")
    for name, figure in study_pictures(study, summary, gather(study, HELD_OUT)).items():
        write_atomically(folder / f"{name}.png", partial(figure.savefig, dpi=DPI))
    print(f"\n{text}\n\ntrained with {costs['gan_updates']:,} GAN updates in {costs['wall_s']:.0f} s: {folder}")


def comparison_of(script: str, options: TrainOptions) -> tuple[StudyOptions, dict[str, list[PolicyOptions]]]:
    """What a training is compared with; prints which policies can't act in its environment, and what will be tuned.

    Returns:
        The options of a study of the training, with no folder yet; and by opponent its committed tunings, none where a
        schedule has to be tuned.
    """
    sizes = options.comparison
    given = {key: value for key, value in options.env.items() if key != "split"}
    shown = observing(given, ("progress", "knobs"))
    env = {key: value for key, value in shown.items() if key != "action_mode"}  # schedules play in it, by delta
    own = {key: value for key, value in given.items() if value != env.get(key)}

    @cache
    def showing(groups: tuple[str, ...]) -> GANVectorEnv:
        return GANVectorEnv(1, **observing(env, groups))

    def fitting(names: Sequence[str]) -> dict[str, PolicyOptions]:
        """The policies that can act in the environment, by name; one of your own, a file, has to."""
        found = {}
        for name, policy in ((name, load_policy(name)) for name in names):
            with about(f"comparison.policies: {name}") if own_file(name) else suppress(ConfigError):
                policy.make(showing(policy.groups))
                found[name] = policy
        return found

    found = {kind: fitting(committed(showing(()).config, kind)) for kind in TUNED}
    if not found["schedule"]:
        found = {}
        cost = f"with {sizes.tune_updates:,} GAN updates (comparison.tune_updates)"
        print(f"no tuned schedule comes with gan_env for such runs: one is tuned after the training, {cost}")
    policies = tuple(fitting(sizes.policies))
    study = StudyOptions(
        env=env,
        controllers={script: Controller(script=script, seeds=1, env=own)},
        tuned={kind: len(policies) for kind, policies in found.items()} or {"schedule": 1},
        budget=sizes.tune_updates,
        tune_runs=TUNE_RUNS,
        policies=policies,
        settings=_members(script, options, policies),
        oracle_runs=0,
        instances=min(sizes.instances, showing(()).config.instances.test_size),
        gan_seeds=sizes.gan_seeds,
        rows=sizes.rows,
        seed=options.seed,
        folder="",
    )
    if missing := set(sizes.policies) - set(study.policies):
        print(f"not in the comparison, since they can't act in this environment: {', '.join(sorted(missing))}")
    return study, {opponent_name(kind): list(policies.values()) for kind, policies in found.items()}


def study_of_one(comparison: StudyOptions, opponents: Mapping[str, Sequence[PolicyOptions]], folder: Path) -> Study:
    """The study of the training in a run folder, which may be unfinished, from what `comparison_of` gives."""
    (script,) = comparison.controllers
    return Study(replace(comparison, folder=str(folder)), trained={(script, 0): folder}, committed=opponents)


def _members(script: str, options: TrainOptions, policies: Sequence[str]) -> dict[str, Setting]:
    """A setting for each member of a family: one GAN seed on each of its own held-out instances."""
    sizes, players = options.comparison, (script, *(name for name in policies if name in BESIDE))
    return {
        name: Setting(
            env=member.env,
            policies=players,
            instances=min(sizes.instances, env_config(**options.kinds[name].env).instances.test_size),
            gan_seeds=1,
        )
        for name, member in options.members.items()
    }
