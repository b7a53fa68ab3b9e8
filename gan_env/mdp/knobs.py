"""The knobs: dynamic parameters of GAN training, and actions that move them.

Every knob has a coordinate u in [0, 1] that runs through its range, linearly or logarithmically. Policies act on
coordinates, GANs train with values.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from gan_env.errors import ConfigError, require

ROUNDING = 1e-6
"""Coordinates that differ by less are the same."""


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

    def decode(self, coordinate: Tensor) -> Tensor:
        """Coordinates in [0, 1] -> values within the bounds, any shape."""
        low, high = self.bounds
        if self.scale == "linear":
            value = low + (high - low) * coordinate
        elif low > 0:  # counted from where the knob does nothing, which is met exactly
            middle = min(max(self.neutral, low), high)
            offset = coordinate - math.log(middle / low) / math.log(high / low)
            offset = torch.where(offset.abs() < ROUNDING, offset - offset.detach(), offset)  # zero, but with a slope
            value = middle * (high / low) ** offset
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


def knob_table() -> dict[str, DynamicParameter]:
    """All knobs by name, at their initial values. A new knob is a new entry here and the code that uses its value."""

    def part(name: str, what: str) -> DynamicParameter:
        return DynamicParameter(name, 0.0, (0.0, 1.0), description=f"probability of {what}, beside that of augment")

    knobs = [
        DynamicParameter(
            "instance_noise", 0.03, (0.0, 1.0), "log", 0.03,
            description="standard deviation of Gaussian noise on the discriminator's inputs, in units of data",
        ),
        DynamicParameter(
            "latent_noise", 1.0, (0.1, 2.0), "log", neutral=1.0,
            description="standard deviation of z in training; samples that are judged have one",
        ),
        DynamicParameter(
            "augment", 0.25, (0.0, 1.0),
            description="probability of each differentiable augmentation of the discriminator's inputs",
        ),
        part("rotate", "rotation (images: by quarter turns, which augment leaves out)"),
        part("flip", "a mirror image, in half of the cases (images)"),
        part("translate", "a shift by up to 1/8 of the side (images)"),
        part("color", "other brightness, and of colour images other saturation and contrast"),
        part("cutout", "a hole of half the side (images)"),
        DynamicParameter(
            "augment_strength", 1.0, (0.0, 1.0), neutral=1.0,
            description="factor on the sizes of what augment and its parts do: angle, scaling, shift, colour, hole",
        ),
        DynamicParameter(
            "pseudo", 0.0, (0.0, 1.0), description="probability with which D is shown a fake as if it were real (APA)"
        ),
        DynamicParameter(
            "r1", 1.0, (0.0, 30.0), "log", 0.003, description="gamma in gamma/2 * E||grad D(x)||^2 on real inputs"
        ),
        DynamicParameter(
            "r2", 0.0, (0.0, 30.0), "log", 0.003, description="gamma in gamma/2 * E||grad D(x)||^2 on fake inputs"
        ),
        DynamicParameter(
            "gp", 0.0, (0.0, 100.0), "log", 0.1,
            description="lambda of WGAN-GP's lambda * E(||grad D(x)|| - 1)^2 between real and fake inputs",
        ),
        DynamicParameter(
            "spectral", 0.0, (0.0, 1.0),
            description="spectral normalisation of D: weights are divided by sigma^s, s = 1 is the published one",
        ),
        DynamicParameter(
            "lr_g", 1.0, (0.01, 10.0), "log", neutral=1.0, description="factor on the instance's learning rate of G"
        ),
        DynamicParameter(
            "lr_d", 1.0, (0.01, 10.0), "log", neutral=1.0, description="factor on the instance's learning rate of D"
        ),
    ]  # fmt: skip
    return {knob.name: knob for knob in knobs}


class KnobSet:
    """The controlled knobs of N rows, and the constants.

    Args:
        controlled: names of the knobs that actions move, in the order of the action's entries.
        initial_values: initial values that differ from the table's.
        mode: "delta" or "absolute".
        max_change: largest move a decision in delta mode.
        max_first_change: largest first move.
        device: of all tensors.

    Attributes:
        active: names of the knobs that are controlled or constant at a value that does something.

    Raises:
        ConfigError: an unknown name, or an initial value outside the knob's bounds.
    """

    def __init__(
        self,
        controlled: tuple[str, ...],
        initial_values: dict[str, float],
        mode: str,
        max_change: float,
        max_first_change: float,
        device: torch.device,
    ) -> None:
        self.table = knob_table()
        for name in (*controlled, *initial_values):
            require(name in self.table, "knobs", name, f"one of {sorted(self.table)}")
        for name, value in initial_values.items():
            self.table[name].update(value)
        self.controlled = [self.table[name] for name in controlled]
        acting = [name for name, knob in self.table.items() if name in controlled or knob.value != knob.neutral]
        self.active = tuple(acting)
        self.mode, self.max_change, self.max_first_change = mode, max_change, max_first_change
        self.initial = torch.stack([k.encode(torch.tensor(k.value)) for k in self.controlled]).to(device)  # [K]

    def move(self, coordinates: Tensor, action: Tensor, first: Tensor) -> Tensor:
        """New coordinates [N, K] in [0, 1].

        Args:
            coordinates: [N, K] in [0, 1].
            action: [N, K] in [-1, 1].
            first: whether it is the row's first decision, bool [N].
        """
        action = action.clamp(-1, 1)
        if self.mode == "absolute":
            return (action + 1) / 2
        largest = torch.where(first, self.max_first_change, self.max_change)
        return (coordinates + largest[:, None] * action).clamp(0, 1)

    def values(self, coordinates: Tensor) -> dict[str, Tensor]:
        """Coordinates [N, K] -> value of every knob of the table, [N] each."""
        rows = coordinates.shape[0]
        values = {name: torch.full((rows,), knob.value, device=coordinates.device) for name, knob in self.table.items()}
        return values | {k.name: k.decode(coordinates[:, i]) for i, k in enumerate(self.controlled)}

    def starting_at(self, values: Mapping[str, ArrayLike], rows: int) -> Tensor:
        """Initial coordinates [N, K] in which the named knobs have the given values, each a number or [N].

        Raises:
            ConfigError: no mapping, a knob that is not controlled, no number, a value outside the knob's bounds, or a
                wrong number of values.
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
