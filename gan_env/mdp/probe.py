"""Tries statistics and reward terms before any run, so that a mistake in one of a user's own shows at once."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from gan_env.errors import ConfigError, require
from gan_env.records import WHOLE, Moment, Quality, RowSettings, TrainStats

ROWS = 2


def probe(knobs: int, other: float = 0.5) -> Moment:
    """A moment of two rows and so many knobs, whose numbers are of no run: halves and ones, `other` in the second."""
    half, one = torch.tensor([0.5, other]), torch.ones(ROWS, dtype=torch.int64)
    stats = {field.name: half.clone() for field in fields(TrainStats)} | {"finite": half > 0}
    settings = {field.name: [1, 1] if field.name in WHOLE else [0.5, other] for field in fields(RowSettings)}
    quality = Quality(half, half.clone(), half.clone(), extras=defaultdict(lambda: half.clone()))
    known = ("progress", "previous", "best", "first", "first_grad_d", "first_grad_g", "limit")
    start = {name: half.clone() for name in known}
    coordinates, rows = half[:, None].repeat(1, knobs), RowSettings.of(settings, half.device)
    of_both = {name: torch.ones(ROWS, 2) for name in ("parameters", "walk", "ages", "relative_rates")}
    size = {"updates": half.clone(), **of_both}
    return Moment(TrainStats(**stats), quality, coordinates, settings=rows, left=one, **start, **size)


def require_a_value_a_row(what: str, compute: Callable[[Moment], Any], moment: Moment) -> None:
    """Refuses what does not compute one number a row.

    Args:
        what: for the message, such as "the statistic 'mine'".
        compute: the function that is tried.
        moment: what it is tried with.

    Raises:
        ConfigError: it fails, or gives anything but a tensor [N] of N rows.
    """
    try:
        value = compute(moment)
    except Exception as error:
        raise ConfigError(f"{what} fails with {type(error).__name__}: {error}. It gets a gan_env.Moment") from error
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    require(shape == (ROWS,), f"{what} of {ROWS} rows", shape, f"a tensor of shape ({ROWS},), one value a row")


def require_row_by_row(what: str, compute: Callable[[Moment], Any], knobs: int) -> None:
    """Refuses what does not compute one number a row, from that row alone and the same at a second call.

    Args:
        what: for the message, such as "the statistic 'mine'".
        compute: the function that is tried.
        knobs: how many there are.

    Raises:
        ConfigError: it doesn't.
    """
    require_a_value_a_row(what, compute, probe(knobs))
    first, again = (compute(probe(knobs, other))[0] for other in (0.5, 0.75))
    if not torch.isclose(first, again, equal_nan=True):
        raise ConfigError(f"{what} of a row changes with another row, or by chance: compute it from that row alone")


def fields_read(computed: Mapping[str, Callable[[Moment], Any]], knobs: int) -> tuple[str, ...]:
    """The fields that functions read of a moment and of its `stats`, `quality` and `settings`, in that order.

    Args:
        computed: the functions, which are tried on a moment of `probe`; by what they are in a message, such as "the
            statistic 'mine'".
        knobs: how many there are.

    Raises:
        ConfigError: one fails, or gives anything but one number a row.
    """
    found: dict[str, None] = {}
    moment = probe(knobs)
    parts = {name: _noting(getattr(moment, name), found) for name in ("stats", "quality", "settings")}
    noting = _noting(replace(moment, **parts), found)
    for what, compute in computed.items():
        require_a_value_a_row(what, compute, noting)
    return tuple(found)


def _noting(record: Any, found: dict[str, None]) -> Any:
    """A copy of a record that adds the name of each of its fields to `found` when it is read."""
    names = {field.name for field in fields(record)}

    class Noting(type(record)):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            if name in names:
                found[name] = None
            return super().__getattribute__(name)

    return Noting(**{name: getattr(record, name) for name in names})
