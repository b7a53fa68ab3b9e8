"""The training scripts by name: their options, trainings without a command line, and the controllers they trained."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import yaml
from safetensors import SafetensorError
from sb3_contrib import ARS, TQC, RecurrentPPO
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder
from agents.learning.training import train_once
from agents.meta.controller import MetaController
from agents.meta.training import MetaOptions, make_policy
from baselines.options import data_kind
from gan_env import GANVectorEnv
from gan_env.adapters.stable_baselines3 import LearnedPolicy, SB3VecEnv
from gan_env.config import CONFIGS, replace, to_dict
from gan_env.errors import ConfigError, require
from gan_env.policies.steering import Policy

RUN_NAME = "controller"
"""Stands for the environment's name in the run folders of a study's trainings."""
CONTROLLER_FILES = tuple(f"{RUN_NAME}{end}" for end in (".zip", ".safetensors", "/vecnormalize.pkl", "/config.yml"))
"""Files that `load_controller` reads; which of the first three are there depends on the script."""
_DAMAGED = (
    AttributeError, EOFError, KeyError, OSError, RuntimeError, SafetensorError, TypeError, UnpicklingError, ValueError,
)  # fmt: skip
"""What reading a damaged file may raise."""
INTERFACE = ("knobs", "action_mode", "max_change", "max_first_change", "observation")
"""Fields of an environment in which it must agree with a controller's training: what is seen, what actions mean."""


def _load_sb3(algorithm: type[BaseAlgorithm], run: RunFolder, env: GANVectorEnv) -> Policy:
    # Only training needs these, and they can be unpickled only with the code that they were saved with.
    unused = {"learning_rate": 0.0, "lr_schedule": None, "clip_range": 0.0}
    model = algorithm.load(run.model, device="cpu", custom_objects=unused)
    return LearnedPolicy(model, VecNormalize.load(str(run.settings / "vecnormalize.pkl"), SB3VecEnv(env, 0)))


def _load_meta(run: RunFolder, env: GANVectorEnv) -> Policy:
    controller = MetaController.load(run.meta_controller)
    return make_policy(controller, env, replace(MetaOptions(), run.config["agent"], "agent."))


SCRIPTS: dict[str, tuple[str, Callable[[RunFolder, GANVectorEnv], Policy]]] = {
    "ppo": ("PPOOptions", partial(_load_sb3, PPO)),
    "recurrent_ppo": ("RecurrentPPOOptions", partial(_load_sb3, RecurrentPPO)),
    "sac": ("SACOptions", partial(_load_sb3, SAC)),
    "tqc": ("TQCOptions", partial(_load_sb3, TQC)),
    "ars": ("ARSOptions", partial(_load_sb3, ARS)),
    "meta": ("MetaOptions", _load_meta),
    "maml": ("MetaOptions", _load_meta),
}
"""By name: what agents/train_NAME.py calls its agent's options, and what loads a controller that it has trained."""


def _module(script: str) -> Any:
    """The module of a training script; its `train(options, folder)` trains."""
    return import_module(f"agents.train_{script}")


def check_script(script: object, key: str) -> None:
    """Raises a `ConfigError` unless there is such a training script."""
    require(script in SCRIPTS, key, script, f"one of {sorted(SCRIPTS)}")


def training_options(script: str, agent: Mapping[str, Any], env: Mapping[str, Any], seed: int) -> TrainOptions:
    """The options that the command line of agents/train_SCRIPT.py gives.

    Args:
        script: SCRIPT.
        agent: hyperparameters that differ from configs/agent/SCRIPT_{points,small_images,images}.yaml.
        env: preset and fields of `EnvConfig`.
        seed: of the training.

    Raises:
        ConfigError: there is no such script or field, or a value is out of range.
    """
    check_script(script, "script")
    kind = data_kind(env.get("preset", "points"))
    fields = {
        "agent": {**_configuration("agent", f"{script}_{kind}"), **agent},
        "comparison": _configuration("comparison", kind),
        "env": dict(env),
        "seed": seed,
    }
    agent_options = getattr(_module(script), SCRIPTS[script][0])
    return replace(TrainOptions(agent_options()), fields)


def _configuration(group: str, name: str) -> dict[str, Any]:
    """A file of configs/GROUP/ with what its `defaults` name, in the group's own order."""
    own = dict(yaml.safe_load((CONFIGS / group / f"{name}.yaml").read_text()))
    found: dict[str, Any] = {}
    for part in own.pop("defaults", ["_self_"]):
        found |= own if part == "_self_" else _configuration(group, part)
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
        ConfigError: there is no finished training, or `env` differs from its environment in what is in `INTERFACE`.
    """
    run = RunFolder.open(folder)
    script = run.config.get("script")
    check_script(script, f"script in {run.settings / 'config.yml'}")
    base = run.config.get("base")
    require(not base, "base", base, "none: controllers that correct another policy are no longer supported")
    here, there = to_dict(env.config), run.config["env"]
    for name in INTERFACE:
        same = f"{there.get(name)!r}, with which the controller in {folder} was trained"
        require(here[name] == there.get(name), f"env.{name}", here[name], same)  # None: newer than the training
    try:
        return SCRIPTS[str(script)][1](run, env)
    except FileNotFoundError as error:
        resumed = f"`python agents/train_{script}.py resume={folder}`"
        mend = f"give another folder, or continue a training that was killed by {resumed}"
        raise ConfigError(f"{folder} holds no finished training: {mend}") from error
    except ConfigError:
        raise  # its message already says what is wrong
    except _DAMAGED as error:
        what = f"a training by train_{script}.py ({type(error).__name__}: {error})"
        raise ConfigError(f"{folder} can't be read as {what}: its files are damaged: train again") from error
