"""The command lines of the programs: Hydra composes their options from configs/, dataclasses check them."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from baselines.help import help_text
from gan_env.config import CONFIGS, PRESETS, load_extensions
from gan_env.data.points import POINT_SETS
from gan_env.errors import ConfigError, DataError, closest, errors_in_one_line, needs, require
from gan_env.policies.presets import ENDINGS, own_file, shipped_controllers
from gan_env.strict import to_dict

with errors_in_one_line(), needs("study"):
    import hydra
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf

SMALL_SIDE = 8
"""Pixels of images whose GANs are nearly as cheap as those on points."""
REPLACED_NOT_MERGED = (
    "env.reward", "env.initial_knobs", "env.knob_bounds", "members", "controllers", "tuned", "settings", "policy.knobs",
)  # fmt: skip
"""Mappings that replace the default where the command line gives `{...}`; Hydra would merge the two."""
OTHER_FOLDERS = ("--config-dir", "-cd")
"""Flags of Hydra that name a folder with more files of options."""


def script(
    name: str, options: Any, purpose: str | None
) -> Callable[[Callable[[dict[str, Any]], None]], Callable[[], None]]:
    """Makes a function of options the entry point of a program: they come from configs/NAME.yaml and the command line.

    Wrong input is reported in one line, before Hydra, which would print a traceback, sees the error.

    Args:
        name: of the file in configs/.
        options: the dataclass that holds the options, or its class, for `--help`.
        purpose: the program's docstring, for `--help`.
    """

    def decorate(main: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        @errors_in_one_line()
        def with_fields(config: DictConfig) -> None:
            fields = {str(k): v for k, v in OmegaConf.to_container(config, resolve=True).items()}  # type: ignore[union-attr]
            load_extensions_of(fields)
            main(fields)

        started = hydra.main(str(CONFIGS), name, version_base=None)(with_fields)

        def run() -> None:
            register_presets()
            with errors_in_one_line():
                sys.argv[1:] = checked_arguments(sys.argv[1:])
                if {"-h", "--help"} & set(sys.argv[1:]):
                    return print_help(name, options, purpose or "")
                if {text.partition("=")[0] for text in sys.argv[1:] if text.startswith("-")} <= set(OTHER_FOLDERS):
                    compose_options(name)  # which refuses in one line what Hydra would refuse in several
            started()

        return run

    return decorate


def print_help(name: str, options: Any, purpose: str) -> None:
    """Prints what a program is for, and each of its options with its value on this command line and its meaning."""
    config = compose_options(name)
    HydraConfig.instance().set_config(config)  # some options are made of the choices
    chosen = {group: str(file) for group, file in config.hydra.runtime.choices.items() if "/" not in group}
    fields = OmegaConf.to_container(
        OmegaConf.masked_copy(config, [str(k) for k in config if k != "hydra"]), resolve=True
    )
    assert isinstance(fields, dict)
    print(help_text(sys.argv[0], purpose, options, {str(k): v for k, v in fields.items()}, chosen))


def compose_options(name: str) -> DictConfig:
    """The options of the program with configs/NAME.yaml on this command line, but for its flags.

    Raises:
        ConfigError: there is no such option, or Hydra can't read one.
    """
    others = other_folders(sys.argv[1:])
    words = [text for text in sys.argv[1:] if not text.startswith("-") and Path(text) not in others]
    if others:
        words.append(search_path(others))
    try:
        with initialize_config_dir(str(CONFIGS), version_base=None):
            return compose(name, words, return_hydra_config=True)
    except (HydraException, ValueError) as error:
        raise ConfigError(_in_one_line(error, words)) from error


def _in_one_line(error: Exception, words: Sequence[str]) -> str:
    """What Hydra says of a command line; of an option that there is not, which one may be meant."""
    cause = error.__cause__
    key, parent = getattr(cause, "full_key", None), getattr(cause, "parent_node", None)
    if not key or not isinstance(parent, DictConfig):
        return " ".join(str(error).split())
    (group, dot, name), known = key.rpartition("."), sorted(str(k) for k in parent if k != "hydra")
    near, text = (
        closest(name, known),
        next((word for word in words if f"{word}.".startswith((f"{key}.", f"{key}="))), key),
    )
    hint = f"did you mean {group}{dot}{near}?" if near else f"expected one of {known}"
    added = f" (+{text} would add it)" if group or not near else ""
    return f"{text}: there is no option {key}; {hint}{added}"


def other_folders(arguments: list[str]) -> list[Path]:
    """The folders of options that `--config-dir` adds to configs/."""
    words = [word for text in arguments for word in (text.split("=", 1) if text.startswith("--") else [text])]
    return [Path(place) for flag, place in pairwise(words) if flag in OTHER_FOLDERS]


def search_path(folders: Sequence[Path]) -> str:
    """The option by which Hydra finds files of these folders, too, wherever the program is run."""
    return f"hydra.searchpath=[{','.join(folder.resolve().as_uri() for folder in folders)}]"


def given_options() -> list[str]:
    """The options on the command line of the program that is running, such as `["seed=3"]`."""
    emptied = {f"++{key}=null" for key in REPLACED_NOT_MERGED}  # by `checked_arguments`
    return [text for text in HydraConfig.get().overrides.task if text not in emptied]


def checked_arguments(arguments: list[str]) -> list[str]:
    """A command line as Hydra needs it.

    Every choice GROUP=NAME exists: Hydra would refuse a wrong one with a page of text. `policy=FOLDER` becomes
    `controller=FOLDER`, as groups hold files alone; so do the name of a controller that comes with gan_env, the path of
    a policy's YAML file, and `policy=module:function`. Mappings in `REPLACED_NOT_MERGED` replace the default.

    Raises:
        ConfigError: a group has no such file, and, for a policy, there is no such folder or path either.
    """
    places = [CONFIGS, *other_folders(arguments)]
    found: list[str] = []
    for text in arguments:
        key, _, value = text.partition("=")
        if key.lstrip("+") in REPLACED_NOT_MERGED and value.startswith("{"):
            found += [f"++{key.lstrip('+')}={each}" for each in ("null", value)]
        else:
            found.append(text if text.startswith("-") else _checked_choice(text, places))
    return found


def _checked_choice(text: str, places: list[Path]) -> str:
    key, _, name = text.partition("=")
    folders = [place / key.lstrip("+") for place in places if key.lstrip("+")]
    names = {path.relative_to(f).with_suffix("").as_posix() for f in folders for path in f.rglob("*.yaml")}
    known, shipped = not names or not name or name.removesuffix(".yaml") in names, dict[str, Path]()
    if key == "policy":
        shipped = shipped_controllers()
        elsewhere = name in shipped or Path(name).is_dir() or is_import_path(name)
        if own_file(name) or (elsewhere and not known):  # as in `load_policy`, a file here comes before a name
            quoted = str(shipped.get(name, name)).replace("'", "\\'")
            return f"controller='{quoted}'"
    if known:
        return text
    if name == "null" or set(name) & set(",[]{}$"):  # for Hydra to read: several choices, or one by another's name
        return text
    there = key != "policy" or Path(name).suffix not in ENDINGS
    require(there, key, name, "a file, and there is none here of that name")
    others = ", or the folder of a training, a policy's YAML file, or module:function" if key == "policy" else ""
    expected = f"one of {', '.join(sorted({*names, *shipped}))}{others}"
    raise ConfigError(f"{key}={name!r} can't be used: expected {expected}")


def register_presets() -> None:
    """Registers the environment's presets for configs/env/, and the resolvers `${kind:...}` and `${player:...}`."""
    for name, preset in PRESETS.items():
        ConfigStore.instance().store(group="env", name=f"preset_{name}", node={"preset": name, **to_dict(preset)})
    OmegaConf.register_new_resolver("kind", data_kind, replace=True)
    OmegaConf.register_new_resolver("player", player, replace=True)


def is_import_path(text: str) -> bool:
    """Whether it is of the form `package.module:function`: a function that makes a policy, not a policy's name."""
    return re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", text) is not None


def player(policy: str, folder: str | None) -> str:
    """What plays, as files are named by it: the policy, or the training; of a numbered one, also its algorithm."""
    if not folder:
        return policy
    path = Path(folder)
    numbered = path.name.rpartition("_")[2].isdigit() and not is_import_path(folder)
    return "-".join(path.parts[-2:]) if numbered else path.stem if own_file(path) else path.name


def data_kind(env: str) -> str:
    """What the options of a file in configs/env/ are for: "points", "small_images" or "images".

    Images also where no preset has its name; small ones have 8 pixels a side.
    """
    if env in PRESETS and PRESETS[env].datasets[0] in POINT_SETS:
        return "points"
    return "small_images" if env in PRESETS and PRESETS[env].image_size <= SMALL_SIDE else "images"


def read_options(path: Path) -> dict[str, Any]:
    """The options that a run began with, from the YAML file in its folder.

    Raises:
        ConfigError: the file is damaged.
    """
    try:
        return dict(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is damaged ({' '.join(str(error).split())}): its options are lost: choose another folder"
        ) from error


@contextmanager
def errors_about_env() -> Iterator[None]:
    """Lets errors name an option of the environment as the command line does: `env.NAME`."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"env.{error}") from error


def load_extensions_of(fields: Mapping[str, Any]) -> None:
    """Imports the modules that the environment among a program's options names; they may bring what others name.

    Raises:
        ConfigError: one can't be imported.
    """
    with errors_about_env():
        load_extensions((fields.get("env") or {}).get("extensions") or ())


@contextmanager
def about(key: str, hint: str = "") -> Iterator[None]:
    """Puts the option that an error is about in front of its message, and a hint behind it."""
    try:
        yield
    except (ConfigError, DataError) as error:
        raise type(error)(f"{key}: {error}{hint}") from error
