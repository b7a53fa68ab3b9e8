"""Dataclasses of options that are loaded strictly: every key, type and value is checked, and nothing is guessed."""

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np

from gan_env.errors import ConfigError, UnknownOption, closest, require

T = TypeVar("T")


def replace(base: T, overrides: Mapping[str, Any], prefix: str = "", beside: Sequence[str] = ()) -> T:
    """A copy of the dataclass `base` in which `overrides` (a nested mapping) are checked and applied.

    Args:
        base: what is copied.
        overrides: what differs.
        prefix: of the keys in messages.
        beside: names that the caller takes besides the fields, which a wrong key may have been meant to be.

    Raises:
        ConfigError: unknown key (an `UnknownOption`), wrong type, or value out of range; the message names key, value
            and what is allowed.
    """
    hints = typing.get_type_hints(type(base))
    changes: dict[str, Any] = {}
    for key, value in overrides.items():
        if key not in hints:
            near = closest(str(key), (*hints, *beside))
            hint = f"did you mean {prefix}{near}?" if near else f"expected one of {sorted(hints)}"
            as_python_says = f"got an unexpected keyword argument '{prefix}{key}'"  # libraries look for these words
            raise UnknownOption(f"{prefix}{key}={value!r}: {as_python_says}: there is no option {prefix}{key}; {hint}")
        current = getattr(base, key)
        if dataclasses.is_dataclass(current) and isinstance(value, Mapping):
            changes[key] = replace(current, value, f"{prefix}{key}.")
        else:
            changes[key] = _convert(value, hints[key], prefix + key)
    return dataclasses.replace(base, **changes)  # type: ignore[type-var]


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as nested dicts and lists, as JSON has it; `replace` reads it back."""
    return dict(json.loads(json.dumps(dataclasses.asdict(config))))


def _convert(value: Any, hint: Any, key: str) -> Any:
    """Checks a value against a type hint; whole numbers pass as floats, lists as tuples, NumPy's as Python's."""
    if isinstance(value, np.generic):
        value = value.item()
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is Literal:
        require(value in arguments, key, value, f"one of {list(arguments)}")
        return value
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(value, next(a for a in arguments if a is not type(None)), key)
    if origin is tuple and isinstance(value, list | tuple):
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        require(len(value) == len(kinds), key, value, f"{len(kinds)} values, got {len(value)}")
        return tuple(_convert(v, kind, f"{key}[{i}]") for i, (v, kind) in enumerate(zip(value, kinds, strict=True)))
    if origin is dict and isinstance(value, Mapping):
        return {k: _convert(v, arguments[1], f"{key}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        require(abs(value) <= sys.float_info.max, key, value, "a finite number")
        return float(value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return replace(hint(), value, f"{key}.")
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    wanted = getattr(hint, "__name__", None) if origin is None else str(hint)
    if origin is tuple:
        wanted = "a list" if arguments[-1] is Ellipsis else f"{len(arguments)} values, as in ({value!r}, {value!r})"
    raise ConfigError(f"{key}={value!r} has type {type(value).__name__}: expected {wanted}")
