"""Networks whose parameters are rows of one matrix.

A network is a list of layers and a pure function `(parameters [N, P], inputs [N, B, ...]) -> outputs [N, B, ...]`.
All parameters of a row lie in one flat row, so an optimiser step, a snapshot or a reset is one tensor operation.

Narrower networks live in the same tensors: units beyond a row's width start with zero weights on both sides and always
get zero gradients, so they have no effect. A body therefore maps a channel of zeros to a channel of zeros.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from gan_env.gan.fast.convolutions import KERNEL, conv, down, up
from gan_env.gan.fast.products import product
from gan_env.seeding import fold_in, normal

SLOPE = 0.2
EPSILON = 1e-5  # that is added to variances, as in torch's BatchNorm
LEAKY_GAIN = math.sqrt(2 / (1 + SLOPE**2))  # keeps the mean square through a layer and a leaky ReLU (arXiv:1502.01852)

Map = Callable[[Tensor], Tensor]
"""A layer with its weights: [N, B, ...] -> [N, B, ...]."""


@dataclass(frozen=True)
class Layer:
    """One map with weights and biases.

    Its kind is "linear"; "down" (4x4 convolution, stride 2); "up" (4x4 transposed convolution, stride 2); "conv"
    (convolution that keeps the side); "basis" (each input number is the coefficient of a learnt image); or "norm"
    (batch normalisation, Ioffe and Szegedy 2015, arXiv:1502.03167, by the statistics of the batch that it is given).
    """

    kind: str
    inputs: int  # features or channels at full width; 1 for a basis or a norm: one input for each output
    outputs: int
    narrow_inputs: bool = True  # whether this side shrinks with the row's width
    narrow_outputs: bool = True
    positions: int = 1  # features that belong to one unit: a channel's pixels, where a linear layer meets images
    side: int = 1  # pixels along the kernel of "conv" (odd) or the image of "basis"
    groups: int = 1  # of "conv": each group of outputs sees only its own group of inputs
    gain: float = LEAKY_GAIN  # root mean square of an initial output, for inputs of mean square one

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of one row's weight."""
        return {
            "linear": (self.inputs, self.outputs),
            "down": (self.outputs, self.inputs, KERNEL, KERNEL),
            "up": (self.inputs, self.outputs, KERNEL, KERNEL),
            "conv": (self.outputs, self.inputs // self.groups, self.side, self.side),
            "basis": (self.outputs, self.side, self.side),
            "norm": (self.outputs, 1),
        }[self.kind]

    @property
    def outputs_first(self) -> bool:
        """Whether the weight's first dimension is the outputs', as torch's functions want it."""
        return self.kind in ("down", "conv", "basis", "norm")

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of entries of weight and bias."""
        return math.prod(self.weight_shape), self.outputs

    @property
    def fan_in(self) -> float:
        """Inputs that one output sums over, at full width."""
        taps = {"down": KERNEL**2, "up": KERNEL**2 / 4, "conv": self.side**2}
        return self.inputs / self.groups * taps.get(self.kind, 1.0)

    def in_use(self, width: Tensor) -> tuple[Tensor, Tensor]:
        """1.0 for inputs and for outputs that are in use at a row's width, else 0.0: [N] -> [N, groups, ...] each."""
        used_in = _used(self.inputs, self.positions, width, self.narrow_inputs)
        used_out = _used(self.outputs, self.positions, width, self.narrow_outputs)
        return used_in.unflatten(1, (self.groups, -1)), used_out.unflatten(1, (self.groups, -1))

    def count(self, width: Tensor) -> Tensor:
        """Weights and biases in use at a row's width: [N] -> [N]."""
        used_in, used_out = self.in_use(width)
        taps = self.sizes[0] * self.groups // (self.inputs * self.outputs)
        found: Tensor = (used_out.sum(2) * (used_in.sum(2) * taps + 1)).sum(1)
        return found

    def init(self, key: Tensor, width: Tensor) -> Tensor:
        """Normal weights of variance gain^2 / fan-in, zero outside the row's width: [N], [N] -> [N, *weight_shape].

        Those of a norm are all `gain`.
        """
        used_in, used_out = self.in_use(width)
        mask: Tensor = (used_out[..., :, None] * used_in[..., None, :]).flatten(1, 2)  # [N, O, I / groups]
        share = used_in.mean(dim=2).clamp(min=1 / self.inputs)  # [N, groups]; a group beyond the width is empty
        scale: Tensor = (self.gain / (self.fan_in * share).sqrt()).repeat_interleave(self.outputs // self.groups, dim=1)
        scale = scale[..., None]  # [N, O, 1]
        if not self.outputs_first:
            mask, scale = mask.mT, scale.mT
        if self.kind == "norm":
            return mask * scale
        taps = (..., *[None] * (len(self.weight_shape) - 2))
        return normal(key, *self.weight_shape) * mask[taps] * scale[taps]

    def matrix(self, weight: Tensor) -> Tensor:
        """Weights as matrices, outputs by everything else: [N, *weight_shape] -> [N, O, M]."""
        return (weight if self.outputs_first else weight.transpose(1, 2)).flatten(2)

    def __call__(self, weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
        """[N, *weight_shape], [N, O], [N, B, ...] -> [N, B, ...]."""
        if self.kind == "linear":
            return product(x.flatten(2), weight) + bias[:, None]
        if self.kind == "norm":
            units = standardised(x.reshape(*x.shape[:2], self.outputs, -1))  # [N, B, O, positions]
            return (units * weight[:, None] + bias[:, None, :, None]).view(x.shape)
        if self.kind == "conv":
            y = conv(x, weight, self.groups)
        elif self.kind == "basis":
            y = x[..., None, None] * weight[:, None]
        else:
            y = (down if self.kind == "down" else up)(x, weight)
        return y + bias[:, None, :, None, None]


def _used(units: int, positions: int, width: Tensor, narrow: bool) -> Tensor:
    """1.0 for the features that are in use at the row's width, else 0.0: [N, units]."""
    if not narrow:
        return torch.ones(len(width), units, device=width.device)
    active = (width * (units // positions)).round().clamp(min=1)
    return ((torch.arange(units, device=width.device) // positions) < active[:, None]).float()


def standardised(x: Tensor) -> Tensor:
    """Mean zero and variance one over a row's batch and positions: [N, B, O, positions] -> the same."""
    variance, mean = torch.var_mean(x, dim=(1, 3), correction=0, keepdim=True)
    return (x - mean) * (variance + EPSILON).rsqrt()


def chain(maps: Sequence[Map], x: Tensor) -> Tensor:
    """Applies one map after the other, with leaky ReLU between them."""
    for apply in maps[:-1]:
        x = leaky_relu(apply(x), SLOPE)
    return maps[-1](x)


@dataclass(frozen=True)
class Network:
    """Layers and what connects them."""

    layers: tuple[Layer, ...]  # in the order of their parameters
    body: Callable[[Sequence[Map], Tensor], Tensor] = chain  # layers with weights, inputs [N, B, ...] -> [N, B, ...]

    @property
    def sizes(self) -> list[int]:
        """Number of entries of each weight and bias, in order."""
        return [n for layer in self.layers for n in layer.sizes]

    @property
    def outputs(self) -> list[int]:
        """Number of outputs of each layer, in order."""
        return [layer.outputs for layer in self.layers]

    @property
    def size(self) -> int:
        """P, the number of parameters of a row."""
        return sum(self.sizes)

    def count(self, width: Tensor) -> Tensor:
        """Weights and biases in use at shares of units used: [N] -> [N]."""
        return torch.stack([layer.count(width) for layer in self.layers]).sum(0)

    def init(self, key: Tensor, width: Tensor) -> Tensor:
        """Random weights and zero biases [N, P], from keys (int64 [N]) and shares of units used (float [N])."""
        parts = []
        for index, layer in enumerate(self.layers):
            parts.append(layer.init(fold_in(key, index), width).flatten(1))
            parts.append(torch.zeros(len(key), layer.outputs, device=key.device))
        return torch.cat(parts, dim=1)

    def split(self, parameters: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weight [N, *weight_shape] and bias [N, O] of each layer, from [N, P]."""
        parts = parameters.split(self.sizes, dim=1)
        weights = [part.view(-1, *layer.weight_shape) for part, layer in zip(parts[::2], self.layers, strict=True)]
        return list(zip(weights, parts[1::2], strict=True))

    def __call__(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Applies each row's network to its own batch: [N, P], [N, B, ...] -> [N, B, ...]."""
        tensors = zip(self.layers, self.split(parameters), strict=True)
        return self.body([partial(layer, weight, bias) for layer, (weight, bias) in tensors], x)
