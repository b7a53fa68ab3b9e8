"""Options of the command lines: Hydra composes them from configs/, dataclasses check them."""

from collections.abc import Callable, Mapping
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

    What it refuses is told in one line, inside of Hydra, which would print the whole way to it.
    """

    def decorate(main: Callable[[DictConfig], None]) -> Callable[[], None]:
        started: Callable[[], None] = hydra.main(str(CONFIGS), name, version_base=None)(errors_in_one_line()(main))
        return started

    return decorate


def register_presets() -> None:
    """Offers the environment's presets, with every field, to the YAML files in configs/env/, and `${kind:ENV}`."""
    for name, preset in PRESETS.items():
        ConfigStore.instance().store(group="env", name=f"preset_{name}", node={"preset": name, **to_dict(preset)})
    OmegaConf.register_new_resolver("kind", data_kind, replace=True)


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
