"""May a job continue? The one check for checkpoints, snapshots, searches, studies and runs."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch

from gan_env.config import RUN_OPTIONS
from gan_env.errors import ConfigError

MAY_DIFFER = tuple(f"env.{name}" for name in RUN_OPTIONS)
"""How the names of options end that change where and how a run is made, not what comes out: they may differ."""

NEWER: dict[str, Any] = {"penalty_every": 1, "imitates": "", "rates": "given", "warmup_updates": 0}
"""Options that saved jobs and benchmark protocols may lack, and the value that they stand for there."""


def differences(before: Any, now: Any, growing: Collection[str] = (), name: str = "") -> dict[str, str]:
    """The options in which a job differs from those that it is asked to continue with; see `require_same`.

    A mapping that an earlier version did not have is the same as one without entries, and an option in `NEWER` as its
    value there.

    Returns:
        Dotted name of the option -> `NAME=BEFORE, not NOW`.
    """
    if not (isinstance(before, dict) and isinstance(now, dict)):
        before = NEWER.get(name.rpartition(".")[2]) if before is None else before
        absent = before is None and now == {}
        return {} if before == now or absent else {name: f"{name}={before!r}, not {now!r}"}
    found: dict[str, str] = {}
    for key in sorted(before.keys() & now.keys() if name in growing else before.keys() | now.keys()):
        found |= differences(before.get(key), now.get(key), growing, f"{name}.{key}" if name else key)
    return found


def require_same(
    what: str, before: Mapping[str, Any], now: Mapping[str, Any], mend: str, growing: Collection[str] = ()
) -> None:
    """Refuses to continue a job with other options than it began with; those in `MAY_DIFFER` may differ.

    Args:
        what: the job and where it is, for the message: "the search in logs/tune".
        before: its options, as JSON or YAML has them.
        now: the options that are given, likewise.
        mend: what the user can do about it.
        growing: names of mappings in which only the keys that both sides have are compared.

    Raises:
        ConfigError: they differ; the message names the first three differences.
    """
    found = differences(dict(before), dict(now), growing)
    other = [text for name, text in found.items() if not name.endswith(MAY_DIFFER)]
    if other:
        raise ConfigError(f"{what} was begun with other options: {'; '.join(other[:3])}. {mend}")


def require_same_form(name: str, given: Any, own: Any) -> None:
    """Refuses a saved state (nested dictionaries, lists, tensors, arrays and plain values) that doesn't fit one's own.

    Raises:
        ConfigError: keys are missing or unknown, or something is of another length, shape or type.
    """
    if isinstance(own, dict) and isinstance(given, dict):
        for key in sorted(own.keys() | given.keys()):
            require_same_form(f"{name}.{key}", given.get(key), own.get(key))
    elif isinstance(own, list) and isinstance(given, list) and len(given) == len(own):
        for index, (theirs, mine) in enumerate(zip(given, own, strict=True)):
            require_same_form(f"{name}[{index}]", theirs, mine)
    elif _form(given) != _form(own):
        raise ConfigError(
            f"{name} is {_form(given)}: expected {_form(own)}. It is damaged, or another version made it: start anew"
        )


def _form(value: Any) -> str:
    """What `require_same_form` compares of a value, for people."""
    if value is None:
        return "missing"
    if isinstance(value, torch.Tensor | np.ndarray):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__
