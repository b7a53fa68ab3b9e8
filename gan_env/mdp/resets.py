"""What `reset` and `step` are given: rows, seeds, modes and actions, checked before anything is changed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import Tensor

from gan_env.errors import require
from gan_env.records import Float32

Seeds = int | np.integer[Any] | Sequence[int | None] | NDArray[np.integer[Any]] | None
"""What seeds all rows: one seed, one a row, or None."""


def checked_mode(given: AutoresetMode | str) -> AutoresetMode:
    """An autoreset mode by itself, its name or its value: "NEXT_STEP", "next_step" and "NextStep" are one.

    Raises:
        ConfigError: there is no such mode.
    """
    name = given.replace("_", "").lower() if isinstance(given, str) else given
    found = [mode for mode in AutoresetMode if name in (mode, mode.value.lower())]
    require(bool(found), "autoreset_mode", given, "one of " + ", ".join(mode.name for mode in AutoresetMode))
    return found[0]


def checked_rows(given: Any, key: str = "num_envs") -> int:
    """A number of rows as an int; errors name the argument `key`.

    Raises:
        ConfigError: it is no whole number, or below 1.
    """
    whole = isinstance(given, int | np.integer) and not isinstance(given, bool) and given >= 1
    require(bool(whole), key, given, "a whole number, at least 1")
    return int(given)


def checked_options(given: Any) -> dict[str, Any]:
    """A copy of the options of `reset`.

    Raises:
        ConfigError: they are no mapping.
    """
    require(isinstance(given, Mapping | None), "options", given, "a mapping, or None")
    return dict(given or {})


def rows_to_reset(mask: Any, rows: int) -> NDArray[np.bool_]:
    """`options["reset_mask"]` as bool [N].

    Raises:
        ConfigError: it is of another type or shape, or no row is True.
    """
    found = np.asarray(mask)
    fits = found.dtype == np.bool_ and found.shape == (rows,) and bool(found.any())
    require(fits, "options['reset_mask']", mask, f"bool of shape ({rows},) with some row True")
    return found


def seeds_of_rows(given: Seeds, rows: int) -> list[int | None]:
    """The seed of each row, [N]: `given` + i for row i, or the i-th of a sequence.

    None: the row continues its own sequence.

    Raises:
        ConfigError: a seed is negative or not a whole number, or there are too few or too many.
    """
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, Sequence):
        require(len(given) == rows, "seed", given, f"one seed, or a sequence of {rows}")
        return [checked_seed(seed) for seed in given]
    first = checked_seed(given)
    return [None if first is None else first + row for row in range(rows)]


def checked_seed(seed: Any) -> int | None:
    """One seed as an int; None stays None.

    Raises:
        ConfigError: it is negative or not a whole number.
    """
    fits = seed is None or (isinstance(seed, int | np.integer) and seed >= 0)
    require(bool(fits), "seed", seed, "a whole number, 0 or more")
    return None if seed is None else int(seed)


def checked_actions(given: Any, shape: tuple[int, ...] | None) -> Float32:
    """The actions of all rows, [N, K].

    Raises:
        ConfigError: they are of another shape than the action space's, or not finite.
    """
    host = given.detach().float().cpu().numpy() if isinstance(given, Tensor) else given
    actions = np.array(host, np.float32, order="C")  # a copy: torch refuses some arrays, and warns of others
    require(actions.shape == shape, "actions.shape", actions.shape, str(shape))
    for place in np.argwhere(~np.isfinite(actions))[:1]:
        require(False, f"actions{place.tolist()}", float(actions[tuple(place)]), "finite numbers")
    return actions
