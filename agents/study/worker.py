"""Trains controllers and tunes opponents for a study.

`work` trains as `python agents/train_SCRIPT.py` does, with the same configuration, but in a given folder and without
the comparison at the end, which a study makes once for all; or it does what `python baselines/tune.py` does.
"""

import re
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, OverrideParseException
from omegaconf import DictConfig, OmegaConf

from agents.learning.controllers import NAME, SCRIPTS
from agents.learning.costs import metered
from agents.learning.run_folder import RunFolder
from agents.learning.training import RunOptions
from baselines.options import load, register_presets
from baselines.search.tuner import TuneOptions, search
from gan_env import PRESETS
from gan_env.config import CONFIGS, to_dict
from gan_env.errors import ConfigError
from gan_env.files import write_atomically, write_json

_PLAIN = re.compile(r"(?!(null|true|false|nan|inf)$)[a-z_/.][\w/.-]*", re.IGNORECASE)
"""Texts that Hydra's command line takes for what they are without quotes."""


def arguments(script: str, folder: Path, costs: Path, fields: Sequence[str], env: dict[str, Any]) -> list[str]:
    """The arguments of `work` for a training or a tuning.

    Args:
        script: configs/SCRIPT.yaml is its configuration: "tune", or "train_ppo" and the like.
        folder: where it is done.
        costs: the file that says what it took.
        fields: of the configuration, as on a command line.
        env: preset and all fields of `EnvConfig`; those that differ from the preset are set.
    """
    return [script, str(folder), str(costs), *fields, *env_fields(env)]


def training_options(script: str, fields: Sequence[str]) -> RunOptions:
    """The options of a training by agents/train_SCRIPT.py, from fields of its configuration as on a command line.

    Raises:
        ConfigError: there is no such field, or a value is out of range.
    """
    kind: type[RunOptions] = import_module(SCRIPTS[script].module).TrainOptions
    return load(kind, configuration(f"train_{script}", fields))


def configuration(script: str, fields: Sequence[str]) -> DictConfig:
    """What Hydra composes from configs/SCRIPT.yaml and these fields.

    Raises:
        ConfigError: there is no such field, or one is no field at all.
    """
    register_presets()
    inside = GlobalHydra.instance().is_initialized()  # by a script of ours, which has the same configs/
    try:
        with nullcontext() if inside else initialize_config_dir(str(CONFIGS), version_base=None):
            return compose(script, list(fields))
    except (ConfigCompositionException, OverrideParseException) as error:
        raise ConfigError(f"{' '.join(fields)}: {error}") from error


def env_fields(options: dict[str, Any]) -> list[str]:
    """An environment's options as fields on a command line: the preset, and all that differs from it."""
    preset = options["preset"]
    changed = _changes(options, to_dict(PRESETS[preset]))
    return [f"env={preset}", *(f"++env.{key}={hydra_text(value)}" for key, value in changed)]


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


def work(script: str, folder: str, costs: str, *fields: str) -> None:
    """Does a piece of work, or goes on with it; see `arguments`."""
    config = configuration(script, fields)
    note = Path(f"{costs}.spent")
    with metered(note) as found:
        found |= _tune(config, folder) if script == "tune" else _train(script, config, Path(folder))
    write_json(Path(costs), found)
    note.unlink(missing_ok=True)


def _tune(config: DictConfig, folder: str) -> dict[str, Any]:
    """Tunes; what was found says itself how many GAN updates it took."""
    config.folder = folder  # not by a field: a path may hold what Hydra's command line has a meaning for
    search(load(TuneOptions, config))
    return {}


def _train(script: str, config: DictConfig, folder: Path) -> dict[str, Any]:
    """Trains; gives the GAN updates that it took."""
    run = RunFolder(folder, NAME)
    text = OmegaConf.to_yaml(config, resolve=True)
    write_atomically(run.settings / "config.yml", lambda part: part.write_text(text))
    module = import_module(SCRIPTS[script.removeprefix("train_")].module)
    costs: dict[str, Any] = module.train(load(module.TrainOptions, config), run)[-1]
    return costs
