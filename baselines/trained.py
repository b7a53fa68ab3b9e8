"""Plays trained controllers of agents/ in `run.py` and `train_gan.py`: `policy=FOLDER_OF_A_TRAINING`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_env import GANVectorEnv
from gan_env.policies import Policy, PolicyOptions


def make_policy(options: PolicyOptions, controller: str | None, env: GANVectorEnv, seed: int) -> Policy:
    """The controller in the folder of a training, or where none is given the policy of the options, ready to act.

    Raises:
        ConfigError: there is no such training, or it was made with other knobs, moves or observations.
    """
    if controller is None:
        return options.make(env, seed)
    from agents.learning.controllers import load_controller  # takes seconds, and only controllers need it

    return load_controller(Path(controller), env)


def trained_env(env: dict[str, Any], controller: str | None, given: Sequence[str]) -> dict[str, Any]:
    """The options of an environment; for a controller with the knobs, moves and observation of its training.

    Fields that `given`, the options on the command line, sets stay as they are.
    """
    if controller is None:
        return env
    from agents.learning.controllers import INTERFACE
    from agents.learning.run_folder import RunFolder

    there = RunFolder.open(Path(controller)).config["env"]
    set_here = {text.lstrip("+").partition("=")[0] for text in given}
    return env | {name: there[name] for name in INTERFACE if name in there and f"env.{name}" not in set_here}
