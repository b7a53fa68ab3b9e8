"""The knobs: hyperparameters that change during training, and actions that move them.

Every knob has a coordinate u in [0, 1] that runs through its range, linearly or logarithmically. Policies act on
coordinates, GANs train with values.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from gan_env.config import EnvConfig
from gan_env.errors import ConfigError, require
from gan_env.mdp.steps import BY_RULE
from gan_env.records import FLOOR, STILL, Float32
from gan_env.seeding import power

ROUNDING = 1e-6
"""Coordinates that differ by less are the same."""
RATES = ("lr_g", "lr_d")
"""Knobs that are factors on a rate of the instance, which is observed under the same name."""
TARGETS = {"steps": (3e-4, 0.1), "balanced": (1 / 3, 3.0), "limited": (1 / 3, 3.0)}
"""By action mode: |update| / |weights| that the actions -1 and 1 ask for, between them on a log scale; in the modes
"balanced" and "limited" the learning rate over the one that `steady_walk` or `limited_walk` wants
(gan_env/mdp/steps.py)."""
GAINS = {"steps": 0.5, "balanced": 1.0, "limited": 1.0}
"""Share of the distance to such a target, in logarithms, that one decision closes: all of it where the size of a step
follows from the learning rate."""


@dataclass
class DynamicParameter:
    """A hyperparameter that changes during training.

    Args:
        name: what it is called in actions, observations and plots.
        initial_value: its value at the start.
        bounds: lowest and highest value.
        scale: "linear", or "log": equal steps multiply the value.
        floor: for a logarithmic scale that begins at zero, the value around which the scale turns from linear to
            logarithmic: value = floor * ((1 + high / floor) ** u - 1).
        neutral: the value at which it does nothing.
        description: what it does.
        source: where it comes from, if it was published.

    Raises:
        ConfigError: bounds, initial value or scale do not fit together.
    """

    name: str
    initial_value: float
    bounds: tuple[float, float]
    scale: str = "linear"
    floor: float = 0.0
    neutral: float = 0.0
    description: str = ""
    source: str = ""
    value: float = field(init=False)

    def __post_init__(self) -> None:
        low, high = self.bounds
        require(math.isfinite(low) and low < high < math.inf, f"{self.name}.bounds", self.bounds, "finite low < high")
        require(self.scale in ("linear", "log"), f"{self.name}.scale", self.scale, "'linear' or 'log'")
        if self.scale == "log":
            fits = low > 0 or (low == 0 and self.floor > 0)
            require(fits, f"{self.name}.bounds", self.bounds, "low > 0, or low = 0 with floor > 0, on a log scale")
        self.update(self.initial_value)

    def update(self, new_value: float) -> None:
        """Sets the value.

        Raises:
            ConfigError: the value is outside the bounds or not a number.
        """
        low, high = self.bounds
        require(low <= new_value <= high, self.name, new_value, f"a value from {low} to {high}")
        self.value = float(new_value)

    def rounded(self, value: float) -> float:
        """A value with four digits, within the bounds."""
        low, high = self.bounds
        return min(max(float(f"{value:.4g}"), low), high)

    def decode(self, coordinate: Tensor) -> Tensor:
        """Coordinates in [0, 1] -> values within the bounds, any shape."""
        low, high = self.bounds
        if self.scale == "linear":
            value = low + (high - low) * coordinate
        elif low > 0:  # measured from the neutral value, so that it is met exactly
            middle = min(max(self.neutral, low), high)
            offset = coordinate - math.log(middle / low) / math.log(high / low)
            offset = torch.where(offset.abs() < ROUNDING, offset - offset.detach(), offset)  # zero, but with a slope
            value = middle * power(high / low, offset)
        else:
            value = self.floor * torch.expm1(coordinate * math.log1p(high / self.floor))
        return value.clamp(low, high)

    def encode(self, value: Tensor) -> Tensor:
        """Values -> coordinates in [0, 1], any shape; values outside the bounds go to the nearer end."""
        low, high = self.bounds
        value = value.clamp(low, high)
        if self.scale == "linear":
            coordinate = (value - low) / (high - low)
        elif low > 0:
            coordinate = torch.log(value / low) / math.log(high / low)
        else:
            coordinate = torch.log1p(value / self.floor) / math.log1p(high / self.floor)
        return coordinate.clamp(0, 1)  # rounding may leave the interval


def knob_table(
    bounds: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    initial: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, DynamicParameter]:
    """All knobs by name, at their initial values. A new knob is a new entry here and the code that uses its value.

    Args:
        bounds: those that differ, by name.
        initial: initial values that differ, by name.

    Raises:
        ConfigError: bounds that a knob can't have, or an initial value outside of them.
    """
    ada, differentiable = "Karras et al. 2020, arXiv:2006.06676", "Zhao et al. 2020, arXiv:2006.10738"
    penalty = "Mescheder et al. 2018, arXiv:1801.04406"

    def part(name: str) -> DynamicParameter:
        describe = f"probability of {name}, on top of that of augment"
        return DynamicParameter(name, 0.0, (0.0, 1.0), description=describe, source=f"{ada}; {differentiable}")

    squared = "gamma in gamma/2 E[norm(grad D(x))^2]"
    knobs = [
        DynamicParameter("instance_noise", 0.03, (0.0, 1.0), "log", floor=0.03,
                         description="std of Gaussian noise on D's inputs, in units of data",
                         source="Soenderby et al. 2017, arXiv:1610.04490"),
        DynamicParameter("latent_noise", 1.0, (0.1, 2.0), "log", neutral=1.0, description="std of z in training"),
        DynamicParameter("augment", 0.25, (0.0, 1.0),
                         description="probability of each differentiable augmentation of D's inputs",
                         source=f"{ada}; {differentiable}"),
        *map(part, ("rotate", "flip", "translate", "color", "cutout")),
        DynamicParameter("augment_strength", 1.0, (0.0, 1.0), neutral=1.0,
                         description="factor on the sizes of augmentations: shift, colour, hole, angle"),
        DynamicParameter("pseudo", 0.0, (0.0, 1.0), description="probability of showing D a fake as if real (APA)",
                         source="Jiang et al. 2021, arXiv:2111.06849"),
        DynamicParameter("r1", 1.0, (0.0, 30.0), "log", floor=0.003, description=f"{squared} on real samples",
                         source=penalty),
        DynamicParameter("r2", 0.0, (0.0, 30.0), "log", floor=0.003, description=f"{squared} on fake samples",
                         source=penalty),
        DynamicParameter("gp", 0.0, (0.0, 100.0), "log", floor=0.1,
                         description="lambda in lambda E[(norm(grad D(x)) - 1)^2] between real and fake samples",
                         source="Gulrajani et al. 2017, arXiv:1704.00028"),
        DynamicParameter("spectral", 0.0, (0.0, 1.0),
                         description="D's weights are divided by sigma to this power; 1 is spectral normalisation",
                         source="Miyato et al. 2018, arXiv:1802.05957"),
        DynamicParameter("lr_g", 1.0, (0.01, 10.0), "log", neutral=1.0, description="factor on G's learning rate"),
        DynamicParameter("lr_d", 1.0, (0.01, 10.0), "log", neutral=1.0, description="factor on D's learning rate"),
    ]  # fmt: skip
    return {k.name: _changed(k, bounds.get(k.name, k.bounds), initial.get(k.name, k.initial_value)) for k in knobs}


def _changed(knob: DynamicParameter, bounds: tuple[float, float], initial: float) -> DynamicParameter:
    """A knob of the table with other bounds and another initial value; errors name the option that gave them."""
    share = knob.scale == "log" or (bounds[0] >= 0 and bounds[1] <= 1)
    require(share, f"knob_bounds.{knob.name}", bounds, "0 <= low < high <= 1: it is a share")
    try:
        return replace(knob, bounds=bounds, initial_value=initial)
    except ConfigError as error:
        option, own, hint = "knob_bounds", f"{knob.name}.bounds=", ""
        if not str(error).startswith(own):
            option, own, hint = "initial_knobs", f"{knob.name}=", ", the knob's bounds; it starts at this value"
        raise ConfigError(f"{option}.{knob.name}={str(error).removeprefix(own)}{hint}") from error


def decades(knob: DynamicParameter) -> float:
    """How many powers of ten a knob's range spans."""
    low, high = knob.bounds
    return math.log10(high / low)


def target_of(action: Tensor, mode: str) -> Tensor:
    """log10 of what an action in [-1, 1] asks for in a mode of `TARGETS`, any shape."""
    low, high = map(math.log10, TARGETS[mode])
    return low + (high - low) * (action + 1) / 2


class KnobSet:
    """The controlled knobs of N rows, and the constants.

    Attributes:
        table: all knobs by name, at their initial values.
        controlled: those that actions move, in the order of the action's entries.
        active: names of the knobs that are controlled, or constant at a value that does something, or that follow the
            environment's rule for learning rates.
        initial: where the controlled knobs start, [K] in [0, 1].

    Raises:
        ConfigError: an unknown name, bounds that a knob can't have, or an initial value outside of them.
    """

    def __init__(self, config: EnvConfig, device: torch.device) -> None:
        self.config, self.table = config, knob_table(config.knob_bounds, config.initial_knobs)
        for option in ("knobs", "initial_knobs", "knob_bounds"):
            for name in getattr(config, option):
                require(name in self.table, option, name, f"one of {sorted(self.table)}")
        self.controlled = [self.table[name] for name in config.knobs]
        moved = (*config.knobs, *(RATES if config.rates in BY_RULE else ()))
        self.active = tuple(n for n, knob in self.table.items() if n in moved or knob.value != knob.neutral)
        self.initial = torch.stack([k.encode(torch.tensor(k.value)) for k in self.controlled]).to(device)

    def move(self, coordinates: Tensor, action: Tensor, first: Tensor, steps: Tensor) -> Tensor:
        """The coordinates after an action.

        Args:
            coordinates: before it, [N, K] in [0, 1].
            action: [N, K] in [-1, 1].
            first: whether it is the row's first decision, bool [N].
            steps: sizes of G's and D's steps in the unit of the mode, [N, 2], read in the modes of `TARGETS` alone.
                Where one is 0, a rate stays; in the mode "steps" there are none at first, and it moves as in "delta".

        Returns:
            [N, K] in [0, 1].
        """
        action, mode, most = action.clamp(-1, 1), self.config.action_mode, self.config.max_change
        if mode == "absolute":
            return (action + 1) / 2
        largest = torch.where(first, self.config.max_first_change, most)
        moves = largest[:, None] * action
        if mode in TARGETS:
            for column, knob in enumerate(self.controlled):
                if knob.name in RATES:
                    step = steps[:, RATES.index(knob.name)]
                    distance = target_of(action[:, column], mode) - torch.log10(step + FLOOR)
                    led = (GAINS[mode] * distance / decades(knob)).clamp(-largest, largest)
                    led = torch.where(step > STILL, led, 0.0)  # NaN, too: it has diverged
                    unmeasured = first & (mode == "steps")
                    moves[:, column] = torch.where(unmeasured, moves[:, column], led)
        return (coordinates + moves).clamp(0, 1)

    def values(self, coordinates: Tensor) -> dict[str, Tensor]:
        """Coordinates [N, K] -> value of every knob of the table, [N] each."""
        rows = coordinates.shape[0]
        values = {name: torch.full((rows,), knob.value, device=coordinates.device) for name, knob in self.table.items()}
        return values | {k.name: k.decode(coordinates[:, i]) for i, k in enumerate(self.controlled)}

    def starts(self, coordinates: Float32) -> dict[str, Float32]:
        """Coordinates [N, K] -> value of each controlled knob, [N]; `starting_at` is the inverse."""
        columns = zip(self.controlled, torch.from_numpy(coordinates).T, strict=True)
        return {knob.name: knob.decode(column).numpy() for knob, column in columns}

    def starting_at(self, values: Mapping[str, ArrayLike], rows: int) -> Tensor:
        """Initial coordinates [N, K] in which the named knobs have the given values, each a number or [N].

        Raises:
            ConfigError: it is no mapping, a knob is not controlled, or its values are no numbers, out of bounds, or
                too many or too few.
        """
        names = [knob.name for knob in self.controlled]
        require(isinstance(values, Mapping), "options['knobs']", values, f"a mapping of values by name, out of {names}")
        result = self.initial.repeat(rows, 1)
        for name, given in values.items():
            require(name in names, "options['knobs']", name, f"one of the controlled knobs {names}")
            low, high = self.table[name].bounds
            key, expected = f"options['knobs'][{name!r}]", f"a number, or {rows} of them"
            try:
                value = np.asarray(given, np.float32)
            except (TypeError, ValueError) as error:
                raise ConfigError(f"{key}={given!r} can't be read as numbers: expected {expected}") from error
            require(value.shape in ((), (rows,)), key, given, expected)
            require(bool(((value >= low) & (value <= high)).all()), key, given, f"values from {low} to {high}")
            result[:, names.index(name)] = self.table[name].encode(torch.from_numpy(value).to(result.device))
        return result
