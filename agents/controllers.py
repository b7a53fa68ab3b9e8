"""Trained controllers of a study: trains one in a process of its own, and loads it as a policy.

`python -m agents.controllers SCRIPT FOLDER [FIELD=VALUE ...]` trains as `python agents/train_SCRIPT.py` does, with the
same configuration, but in a given folder and without the comparison at the end, which a study makes once for all.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from sb3_contrib import ARS, TQC, RecurrentPPO
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from agents.costs import metered
from agents.hypergradient import Hypergradient
from agents.meta_controller import MetaController
from agents.meta_training import TrainOptions, controller_path, make_policy
from agents.run_folder import RunFolder
from agents.sb3_adapter import LearnedPolicy, SB3VecEnv
from agents.training import RunOptions, base_policy
from baselines.options import CONFIGS, load, register_presets
from baselines.policies import Policy
from gan_env import PRESETS, GANVectorEnv
from gan_env.config import ConfigError, require, to_dict
from gan_env.files import write_atomically

NAME, TRAINED = "controller", "trained.json"
LOADED = (f"{NAME}.zip", f"{NAME}.safetensors", f"{NAME}/vecnormalize.pkl", f"{NAME}/config.yml")
"""What `load_controller` needs of a run folder; which of the first three are there depends on the script."""
INTERFACE = ("knobs", "action_mode", "max_change", "max_first_change", "observation")
"""Fields of an environment that must be those of a controller's training: what it sees, and what its actions mean."""
_PLAIN = re.compile(r"(?!(null|true|false|nan|inf)$)[a-z_/.][\w/.-]*", re.IGNORECASE)
"""Texts that Hydra's command line takes for what they are without quotes."""
_TAIL = 2000  # characters of a failed training's output that are shown


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
SCRIPTS |= {name: Script("agents.meta_training", _meta) for name in ("meta", "maml")}
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


def command(script: str, folder: Path, seed: int, env_options: dict[str, Any], arguments: tuple[str, ...]) -> list[str]:
    """The command that trains a controller, or goes on with its training.

    Args:
        script: of agents/train_SCRIPT.py.
        folder: where it is trained.
        seed: of the training.
        env_options: preset and all fields of `EnvConfig`; those that differ from the preset are set.
        arguments: fields of the script's configuration on the command line.
    """
    fields = [f"seed={seed}", *arguments, *env_fields(env_options)]
    return [sys.executable, "-m", "agents.controllers", script, str(folder), *fields]


def training_options(script: str, fields: Sequence[str]) -> RunOptions:
    """The options of a training, from fields of its script's configuration as on a command line.

    Raises:
        ConfigError: there is no such field, or a value is out of range.
    """
    kind: type[RunOptions] = import_module(SCRIPTS[script].module).TrainOptions
    return load(kind, configuration(script, fields))


def configuration(script: str, fields: Sequence[str]) -> DictConfig:
    """What Hydra composes from a script's configuration and these fields.

    Raises:
        ConfigError: there is no such field, or one is no field at all.
    """
    register_presets()
    inside = GlobalHydra.instance().is_initialized()  # by a script of ours, which has the same configs/
    try:
        with nullcontext() if inside else initialize_config_dir(CONFIGS, version_base=None):
            return compose(f"train_{script}", list(fields))
    except (ConfigCompositionException, OverrideParseException) as error:
        raise ConfigError(f"{' '.join(fields)}: {error}") from error


def env_fields(options: dict[str, Any]) -> list[str]:
    """An environment's options as fields on a command line: the preset, and all that differs from it."""
    preset = options["preset"]
    changed = _changes(options, to_dict(PRESETS[preset]))
    return [f"env={preset}", *(f"++env.{key}={hydra_text(value)}" for key, value in changed)]


def run_logged(arguments: Sequence[str], log: Path, threads: int) -> None:
    """Runs a command to its end with so many threads; what it prints is added to `log`.

    Its input is a pipe that closes when this process is gone, however it ended; see `end_with_parent`.

    Raises:
        ConfigError: it failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:  # a terminal's interrupt reaches the process too
        threaded = os.environ | {"OMP_NUM_THREADS": str(threads)}
        pipe, both = subprocess.PIPE, subprocess.STDOUT
        with subprocess.Popen(arguments, stdin=pipe, stdout=file, stderr=both, env=threaded) as process:
            failed = process.wait()
    if failed:
        raise ConfigError(f"{' '.join(arguments)} failed; the end of {log}:\n{log.read_text()[-_TAIL:]}")


def _changes(options: dict[str, Any], base: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted keys and values of what differs from `base`."""
    found: list[tuple[str, Any]] = []
    for key, value in options.items():
        before = base.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            found += _changes(value, before, f"{prefix}{key}.")
        elif key != "preset" and value != before:
            found.append((prefix + key, value))
    return found


def hydra_text(value: Any) -> str:
    """A value as Hydra's command line has it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{hydra_text(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(hydra_text, value))}]"
    if isinstance(value, str) and not _PLAIN.fullmatch(value):  # backslashes before a quote are doubled
        return "'" + re.sub(r"(\\*)('|$)", lambda end: 2 * end[1] + ("\\'" if end[2] else ""), value) + "'"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def end_with_parent() -> None:
    """Ends this process once the one that started it, which holds the other end of its input, is gone.

    Else a study that was killed and started again would train what is being trained still.
    """

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=wait, daemon=True).start()


def main(arguments: list[str]) -> None:
    """Entry point."""
    end_with_parent()
    script, folder, *fields = arguments
    module, config = import_module(SCRIPTS[script].module), configuration(script, fields)
    run = RunFolder(Path(folder), NAME)
    text = OmegaConf.to_yaml(config, resolve=True)
    write_atomically(run.settings / "config.yml", lambda part: part.write_text(text))
    with metered() as costs:
        trained = module.train(load(module.TrainOptions, config), run)[-1]
    run.write_json(TRAINED, trained | costs)


def check_script(script: str, key: str) -> None:
    """Raises a `ConfigError` unless there is such a training script whose controllers can be loaded."""
    require(script in SCRIPTS, key, script, f"one of {sorted(SCRIPTS)}")


if __name__ == "__main__":
    main(sys.argv[1:])
