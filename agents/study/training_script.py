"""The command line of a training script: it trains, or continues a training, then compares."""

from collections.abc import Callable
from typing import Any

from agents.learning.options import AgentOptions, RunOptions
from agents.learning.run_folder import open_folder
from agents.learning.training import Train, train_once
from agents.study.closing import compare_training, study_of_one
from agents.study.study import Study
from baselines.options import script
from baselines.search.tuner import TuneOptions, check_budget
from gan_env.config import env_config


def training_script(name: str, agent: AgentOptions, train: Train) -> Callable[[], None]:
    """The entry point of agents/train_NAME.py, whose algorithm has options of the type of `agent`."""

    @script(f"train_{name}")
    def main(fields: dict[str, Any]) -> None:
        options, folder = open_folder(name, RunOptions(agent), fields)
        comparison = study_of_one(name, options, folder)
        require_opponent(comparison)
        folder.begin(name, options)
        print(f"run folder: {folder.path}")
        compare_training(comparison, train_once(train, options, folder))

    return main


def require_opponent(comparison: Study) -> None:
    """Raises a `ConfigError` where the budget is too small to tune the schedule that is compared with."""
    if "schedule" not in comparison.committed:
        sizes = comparison.options
        assert sizes.budget is not None
        tuning = TuneOptions(budget=sizes.budget, runs=sizes.tune_runs, rows=sizes.rows)
        check_budget(env_config(**sizes.env), tuning, "comparison.tune_updates")
