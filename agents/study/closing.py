"""The comparison that a training script ends with."""

from typing import Any

from agents.learning.options import RunOptions
from agents.learning.run_folder import RunFolder


def compare_training(script: str, options: RunOptions, folder: RunFolder, costs: dict[str, Any]) -> None:
    """Compares one trained controller with schedules."""
    print(f"{script}: {costs}, {options.seed}, {folder.path}")
