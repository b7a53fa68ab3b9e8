"""Trained controllers of a study, as policies; `agents.study.worker` trains them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from sb3_contrib import ARS, TQC, RecurrentPPO
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from agents.learning.run_folder import RunFolder
from agents.learning.training import base_policy
from agents.meta.controller import MetaController
from agents.meta.hypergradient import Hypergradient
from agents.meta.training import TrainOptions, controller_path, make_policy
from baselines.options import load
from gan_env import GANVectorEnv
from gan_env.adapters.stable_baselines3 import LearnedPolicy, SB3VecEnv
from gan_env.errors import ConfigError, require
from gan_env.policies.steering import Policy

NAME = "controller"
"""Of the environment, in the run folders of a study's trainings."""
LOADED = (f"{NAME}.zip", f"{NAME}.safetensors", f"{NAME}/vecnormalize.pkl", f"{NAME}/config.yml")
"""What `load_controller` needs of a run folder; which of the first three are there depends on the script."""
INTERFACE = ("knobs", "action_mode", "max_change", "max_first_change", "observation")
"""Fields of an environment that must be those of a controller's training: what it sees, and what its actions mean."""


@dataclass(frozen=True)
class Script:
    """A training script that studies can use.

    Attributes:
        module: has `TrainOptions`, and `train(options, folder)` whose last result is what the training cost.
        load: the trained controller in a run folder, ready to act in an environment.
    """

    module: str
    load: Callable[[RunFolder, GANVectorEnv], Policy]


def _sb3(algorithm: type[BaseAlgorithm], run: RunFolder, env: GANVectorEnv) -> Policy:
    model = algorithm.load(run.model, device="cpu")
    normalize = VecNormalize.load(str(run.settings / "vecnormalize.pkl"), SB3VecEnv(env, 0))
    config = OmegaConf.to_container(OmegaConf.load(run.settings / "config.yml"))
    assert isinstance(config, dict)
    return LearnedPolicy(model, normalize, base_policy(config.get("base", {}), env))


def _meta(run: RunFolder, env: GANVectorEnv) -> Policy:
    controller = MetaController.load(controller_path(run))  # first: options of another script would be called wrong
    config = OmegaConf.load(run.settings / "config.yml")
    assert isinstance(config, DictConfig)
    options = load(TrainOptions, config).agent
    return make_policy(controller, Hypergradient(env, options.window, options.samples), options)


_SB3: dict[str, type[BaseAlgorithm]] = {"ppo": PPO, "recurrent_ppo": RecurrentPPO, "sac": SAC, "tqc": TQC, "ars": ARS}
SCRIPTS = {name: Script(f"agents.train_{name}", partial(_sb3, algorithm)) for name, algorithm in _SB3.items()}
SCRIPTS |= {name: Script("agents.meta.training", _meta) for name in ("meta", "maml")}
"""By the name of the script, agents/train_NAME.py."""


def load_controller(script: str, folder: Path, env: GANVectorEnv) -> Policy:
    """The trained controller in a folder, ready to act in `env`.

    Args:
        script: agents/train_SCRIPT.py trained it.
        folder: of the training, as the script, a study or `agents/report.py --to` left it.
        env: with the knobs, their moves and the observation that it was trained with.

    Raises:
        ConfigError: there is no such script, no finished training of it in the folder, or `env` is another one.
    """
    check_script(script, "script")
    run, config = RunFolder.open(str(folder))
    for name in INTERFACE:
        here = getattr(env.config, name)
        there = config.env.get(name)  # an option that is newer than the training: None
        there = tuple(there) if isinstance(there, Sequence) and not isinstance(there, str) else there
        require(here == there, f"env.{name}", here, f"{there!r}, with which the controller in {folder} was trained")
    try:
        return SCRIPTS[script].load(run, env)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder} holds no finished training by train_{script}.py: give another folder, or go on with one that "
            f"was killed by `python agents/train_{script}.py resume={folder}`"
        ) from error
    except ConfigError:
        raise  # it says itself what is wrong
    except (AttributeError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{folder} can't be read as a training by train_{script}.py ({type(error).__name__}: {error}): "
            "expected the script that trained it; if that is right, its files are damaged: train again"
        ) from error


def check_script(script: str, key: str) -> None:
    """Raises a `ConfigError` unless there is such a training script whose controllers can be loaded."""
    require(script in SCRIPTS, key, script, f"one of {sorted(SCRIPTS)}")
