"""The training scripts by name: their options, trainings without a command line, and the controllers they trained.

Only a training imports stable-baselines3.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from agents.learning.members import Member
from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder, train_once
from agents.meta.controller import adaptive_policy
from baselines.options import data_kind
from gan_env import GANVectorEnv
from gan_env.config import CONFIGS
from gan_env.errors import ConfigError, require
from gan_env.policies.learned import LearnedPolicy
from gan_env.policies.steering import Policy
from gan_env.saved_controller import DESCRIPTION, SavedController
from gan_env.strict import replace

RUN_NAME = "controller"
"""Stands for the environment's name in the run folders of a study's trainings."""
SCRIPTS = {
    "ppo": "PPOOptions",
    "recurrent_ppo": "RecurrentPPOOptions",
    "sac": "SACOptions",
    "tqc": "TQCOptions",
    "ars": "ARSOptions",
    "es": "ESOptions",
    "meta": "MetaOptions",
    "maml": "MetaOptions",
}
"""By name: what agents/train_NAME.py calls its agent's options."""


def _module(script: str) -> Any:
    """The module of a training script; its `train(options, folder)` trains."""
    return import_module(f"agents.train_{script}")


def check_script(script: object, key: str) -> None:
    """Raises a `ConfigError` unless there is such a training script."""
    require(script in SCRIPTS, key, script, f"one of {sorted(SCRIPTS)}")


def training_options(
    script: str,
    agent: Mapping[str, Any],
    env: Mapping[str, Any],
    seed: int,
    members: Mapping[str, Member] | None = None,
) -> TrainOptions:
    """The options that the command line of agents/train_SCRIPT.py gives.

    Args:
        script: SCRIPT.
        agent: hyperparameters that differ from configs/agent/SCRIPT/{points,small_images,images}.yaml.
        env: preset and fields of `EnvConfig`.
        seed: of the training.
        members: of the family that it is trained on, if any.

    Raises:
        ConfigError: there is no such script or field, or a value is out of range.
    """
    check_script(script, "script")
    kind = data_kind(env.get("preset", "points"))
    fields = {
        "agent": {**_configuration(f"agent/{script}/{kind}"), **agent},
        "comparison": _configuration(f"comparison/{kind}"),
        "env": dict(env),
        "members": dict(members or {}),
        "seed": seed,
    }
    agent_options = getattr(_module(script), SCRIPTS[script])
    return replace(TrainOptions(agent_options()), fields)


def _configuration(name: str) -> dict[str, Any]:
    """A file of configs/ with what its `defaults` name (each as "/NAME@_here_"), in the file's own order."""
    own = dict(yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()))
    found: dict[str, Any] = {}
    for part in own.pop("defaults", ["_self_"]):
        found |= own if part == "_self_" else _configuration(part.strip("/").removesuffix("@_here_"))
    return found


def train(script: str, options: TrainOptions, folder: RunFolder) -> dict[str, Any]:
    """Trains as agents/train_SCRIPT.py does, or continues the training in the folder; without the comparison.

    Returns:
        What it cost: `gan_updates`, `wall_s`, `peak_mb`; also in the folder's trained.json.

    Raises:
        ConfigError: another training was begun in the folder.
    """
    folder.begin(script, options)
    return train_once(_module(script).train, options, folder)


def load_controller(folder: Path, env: GANVectorEnv) -> Policy:
    """The trained controller in a folder that a script, a study or `agents/report.py --to` wrote, ready to act.

    Raises:
        ConfigError: there is none, it can't be read, or it doesn't fit the environment.
    """
    controller = read_controller(folder)
    return LearnedPolicy(controller, env) if controller.adaptation is None else adaptive_policy(controller, env)


def read_controller(folder: Path) -> SavedController:
    """The trained controller in such a folder, whatever the environment.

    Raises:
        ConfigError: there is none, or it can't be read.
    """
    if not (folder / DESCRIPTION).exists():
        played = (folder / "config.yaml").exists()
        training = f"the folder of a training, with {DESCRIPTION}: this one is of a run that a program in baselines/"
        require(not played, "policy", str(folder), f"{training} played")
        script = RunFolder.open(folder).config.get("script")
        mend = "give another folder"
        if script in SCRIPTS:
            mend += f", or continue a training that was killed by `python agents/train_{script}.py resume={folder}`"
        raise ConfigError(f"{folder} holds no finished training: {mend}")
    return SavedController.load(folder)
