"""What `--help` prints: the meaning of every option, from the docstrings of the dataclasses that check them."""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from baselines.jobs.executor import ExecutorOptions
from gan_env.config import CONFIGS, EnvConfig, InstanceConfig

_ENTRY = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<text>.*(?:\n {6,}.*)*)", re.MULTILINE)
_MAPPINGS: dict[str, Any] = {"env": EnvConfig(), "instance": InstanceConfig(), "executor": ExecutorOptions()}
"""Options that are mappings, and the dataclass that says what their entries are."""
_OTHERS = {
    "preset": "a name in gan_env.PRESETS, from which the environment's other options come",
    "dataset": "name of the data set, one of env.datasets; null: the first",
    "loss": "name of the adversarial loss, one of env.losses; null: the first",
    "experiment": "what is set together in a file of configs/experiment/",
}
"""Entries that are fields of no dataclass."""
_WIDTH = 84
"""Characters of a line."""
_LONGEST = 240
"""Characters of a value that are shown."""


def meanings(options: type) -> dict[str, str]:
    """Name of each documented field -> what it is: `Attributes:` of the class and its bases, in one line."""
    found: dict[str, str] = {}
    for kind in reversed(options.__mro__):
        section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
        for entry in _ENTRY.finditer(re.split(r"^\S", section, maxsplit=1, flags=re.MULTILINE)[0]):
            text = " ".join(entry["text"].split())
            found |= dict.fromkeys(entry["names"].split(", "), text)
    return found


def described(options: Any, fields: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any, str]]:
    """Every option of a program: its name on the command line, its value in `fields`, and its meaning.

    Args:
        options: the dataclass with the program's defaults.
        fields: the options of a command line, a nested mapping.
        prefix: what stands before a name.
    """
    known = _OTHERS | meanings(type(options))
    found: list[tuple[str, Any, str]] = []
    for name, value in fields.items():
        inner = getattr(options, name, None)
        inner = inner if dataclasses.is_dataclass(inner) else _MAPPINGS.get(name)
        if isinstance(value, Mapping) and inner:
            found += described(inner, value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, value, known.get(name, "")))
    return found


def help_text(program: str, purpose: str, options: Any, fields: Mapping[str, Any], chosen: Mapping[str, str]) -> str:
    """The page that `python PROGRAM --help` prints.

    Args:
        program: such as "baselines/run.py".
        purpose: its docstring.
        options: the dataclass with its defaults.
        fields: the options of the command line.
        chosen: the choice in each group of files.
    """
    lines = [f"usage: python {program} [GROUP=NAME ...] [OPTION=VALUE ...]", "", _wrapped(purpose), ""]
    lines += ["Groups: GROUP=NAME takes the options of a file, configs/GROUP/NAME.yaml.", ""]
    for group, name in chosen.items():
        others = [n for n in _names(group) if n != name and (group != "experiment" or _fits(n, options, chosen))]
        lines += [f"  {group}={name}", *([_indented(f"or {', '.join(others)}")] if others else [])]
    lines += ["", "Options: OPTION=VALUE sets one; the values shown are those of this command line.", ""]
    rows = described(options, fields)
    for option, value, meaning in sorted(rows, key=lambda row: (row[0].startswith("env."), "." in row[0])):
        lines += [f"  {option}={_shown(value)}", *([_indented(meaning)] if meaning else [])]
    return "\n".join([*lines, "", "The options of Hydra itself: --hydra-help"])


def _wrapped(purpose: str) -> str:
    """A docstring whose paragraphs fit the width; indented commands stay as they are."""
    parts = inspect.cleandoc(purpose).split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else textwrap.fill(part, _WIDTH) for part in parts)


def _indented(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False)


def _names(group: str) -> list[str]:
    """The files of a group; those in its folders as FOLDER/*."""
    paths = [path.relative_to(CONFIGS / group) for path in (CONFIGS / group).rglob("*.yaml")]
    own = sorted(path.stem for path in paths if len(path.parts) == 1)
    return own + sorted({f"{path.parent.as_posix()}/*" for path in paths if len(path.parts) > 1})


def _fits(experiment: str, options: Any, groups: Collection[str]) -> bool:
    """Whether a program has all options and groups that a file of configs/experiment/ sets."""
    fields = yaml.safe_load((CONFIGS / f"experiment/{experiment}.yaml").read_text())
    chosen = {key.rpartition("/")[2] for entry in fields.pop("defaults", ()) for key in entry if entry != "_self_"}
    return chosen <= {*groups} and fields.keys() <= {option.name for option in dataclasses.fields(options)}


def _shown(value: Any) -> str:
    """A value as the command line takes it, if it is not too long."""
    text = " ".join(yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
