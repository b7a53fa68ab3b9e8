"""The command line of a training script: it trains, or continues a training, then compares."""

import shlex
import sys
from collections.abc import Callable
from typing import Any

from agents.learning.options import AgentOptions, TrainOptions
from agents.learning.run_folder import Train, open_folder, train_once
from agents.study.check import check_tunings
from agents.study.closing import compare_training, study_of_one
from baselines.options import script
from gan_env.files import write_atomically


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
        options, folder = open_folder(name, TrainOptions(agent), fields)
        comparison = study_of_one(name, options, folder)
        if not comparison.committed:
            check_tunings(comparison, options.comparison.tune_updates, "comparison.tune_updates")
        folder.begin(name, options)
        if not (command := folder.settings / "command.txt").exists():
            words = shlex.join(["python", f"agents/train_{name}.py", *sys.argv[1:]])
            write_atomically(command, lambda part: part.write_text(f"{words}\n"))
        print(f"run folder: {folder.path}")
        compare_training(comparison, train_once(train, options, folder))

    return main
