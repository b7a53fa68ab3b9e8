"""Options of the command lines: Hydra composes them from configs/, dataclasses check them."""

import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from gan_env.config import CONFIGS, PRESETS, replace, to_dict
from gan_env.data.points import POINT_SETS
from gan_env.errors import ConfigError, errors_in_one_line

T = TypeVar("T")


def script(name: str) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Makes the entry point of a script, whose options are those of configs/NAME.yaml, from what it does with them.

    What it refuses is printed in one line, inside of Hydra, which would print a traceback.
    """

    def decorate(main: Callable[[DictConfig], None]) -> Callable[[], None]:
        started = hydra.main(str(CONFIGS), name, version_base=None)(errors_in_one_line()(main))

        def run() -> None:
            with errors_in_one_line():
                sys.argv[1:] = checked_choices(sys.argv[1:])
            started()

        return run

    return decorate


def checked_choices(arguments: list[str]) -> list[str]:
    """A command line whose choices GROUP=NAME are all there; `policy=FOLDER` becomes `controller=FOLDER`.

    Hydra would refuse a choice by a page of text, and its groups hold files alone.

    Raises:
        ConfigError: a group has no such file, and a policy is no folder either.
    """
    words = [word for text in arguments for word in (text.split("=", 1) if text.startswith("--") else [text])]
    places = [CONFIGS, *(Path(place) for flag, place in pairwise(words) if flag in ("--config-dir", "-cd"))]
    return [text if text.startswith("-") else _checked_choice(text, places) for text in arguments]


def _checked_choice(text: str, places: list[Path]) -> str:
    key, _, name = text.partition("=")
    folders = [place / key.lstrip("+") for place in places if key.lstrip("+")]
    names = {path.relative_to(f).with_suffix("").as_posix() for f in folders for path in f.rglob("*.yaml")}
    if not names or not name or name.removesuffix(".yaml") in names:
        return text
    if key == "policy" and Path(name).is_dir():
        quoted = name.replace("'", "\\'")
        return f"controller='{quoted}'"
    if name == "null" or set(name) & set(",[]{}$"):  # for Hydra to read: several choices, or one by another's name
        return text
    expected = f"one of {', '.join(sorted(names))}" + (", or the folder of a training" if key == "policy" else "")
    raise ConfigError(f"{key}={name!r} is not there: expected {expected}")


def register_presets() -> None:
    """Offers the environment's presets with every field to configs/env/, and what `${kind:...}` and the like mean."""
    for name, preset in PRESETS.items():
        ConfigStore.instance().store(group="env", name=f"preset_{name}", node={"preset": name, **to_dict(preset)})
    OmegaConf.register_new_resolver("kind", data_kind, replace=True)
    OmegaConf.register_new_resolver(
        "player", lambda policy, folder: Path(folder).name if folder else policy, replace=True
    )


def data_kind(env: str) -> str:
    """What the options of a file in configs/env/ are for: "points", or "images" (also where no preset has its name)."""
    return "points" if env in PRESETS and PRESETS[env].datasets[0] in POINT_SETS else "images"


def load(kind: type[T], config: DictConfig) -> T:
    """Hydra's composed configuration as a checked dataclass.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range.
    """
    mapping = OmegaConf.to_container(config, resolve=True)
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"configuration has type {type(mapping).__name__}: expected a mapping")
    return replace(kind(), {str(key): value for key, value in mapping.items()})
