"""Generators and discriminators whose parameters are rows of one matrix.

A network is a list of layers and a pure function `(parameters [N, P], inputs [N, B, ...]) -> outputs [N, B, ...]`.
All parameters of a row lie in one flat row, so an optimiser step, a snapshot or a reset is one tensor operation.

Narrower networks live in the same tensors: units beyond a row's width start with zero weights on both sides and get
zero gradients for ever, so they are not there as far as mathematics is concerned.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from gan_env.gan.convolutions import KERNEL, down, up
from gan_env.seeding import fold_in, normal

SLOPE = 0.2


@dataclass(frozen=True)
class Layer:
    """One linear map with bias.

    Attributes:
        kind: "linear", "down" (4x4 convolution, stride 2) or "up" (4x4 transposed convolution, stride 2).
        inputs, outputs: features or channels at full width.
        narrow_inputs, narrow_outputs: whether that side shrinks with the row's width.
        positions: features that belong to one unit (a channel's pixels, where a linear layer meets images).
    """

    kind: str
    inputs: int
    outputs: int
    narrow_inputs: bool = True
    narrow_outputs: bool = True
    positions: int = 1

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of one row's weight, inputs before outputs save for "down", as torch's functions want it."""
        if self.kind == "linear":
            return (self.inputs, self.outputs)
        sides = (self.outputs, self.inputs) if self.kind == "down" else (self.inputs, self.outputs)
        return (*sides, KERNEL, KERNEL)

    @property
    def fan_in(self) -> float:
        """Inputs that one output sums over, at full width."""
        return self.inputs * {"linear": 1.0, "down": KERNEL**2, "up": KERNEL**2 / 4}[self.kind]


@dataclass(frozen=True)
class Network:
    """A chain of layers with leaky ReLU between them.

    Attributes:
        layers: the chain.
        image: (channels, side) that the first layer's output is reshaped to before the "up" layers, or None.
        bounded: whether the output passes through tanh.
    """

    layers: tuple[Layer, ...]
    image: tuple[int, int] | None = None
    bounded: bool = False

    @property
    def sizes(self) -> list[int]:
        """Number of entries of each weight and bias, in order."""
        return [n for layer in self.layers for n in (math.prod(layer.weight_shape), layer.outputs)]

    @property
    def size(self) -> int:
        """P, the number of parameters of a row."""
        return sum(self.sizes)

    def init(self, key: Tensor, width: Tensor) -> Tensor:
        """He initialisation for leaky ReLU, biases zero.

        Args:
            key: int64 [N].
            width: share of units used, float [N] in (0, 1].

        Returns:
            [N, P].
        """
        parts = []
        for index, layer in enumerate(self.layers):
            used_in = _used(layer.inputs, layer.positions if index else 1, width, layer.narrow_inputs)  # [N, I]
            used_out = _used(layer.outputs, layer.positions if not index else 1, width, layer.narrow_outputs)
            mask = used_in[:, :, None] * used_out[:, None, :]  # [N, I, O]
            if layer.kind == "down":
                mask = mask.mT
            mask = mask.reshape(*mask.shape, *[1] * (len(layer.weight_shape) - 2))
            last = index == len(self.layers) - 1
            gain = 1.0 if last else math.sqrt(2 / (1 + SLOPE**2))
            scale = gain / (layer.fan_in * used_in.mean(dim=1)).sqrt()
            weight = normal(fold_in(key, index), *layer.weight_shape) * mask
            parts.append((weight * scale.view(-1, *[1] * (weight.dim() - 1))).flatten(1))
            parts.append(torch.zeros(len(key), layer.outputs, device=key.device))
        return torch.cat(parts, dim=1)

    def __call__(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Applies each row's network to its own batch: [N, P], [N, B, ...] -> [N, B, ...]."""
        parts = parameters.split(self.sizes, dim=1)
        for index, layer in enumerate(self.layers):
            weight = parts[2 * index].view(-1, *layer.weight_shape)
            bias = parts[2 * index + 1]
            if layer.kind == "linear":
                x = torch.baddbmm(bias[:, None], x.flatten(2), weight)
            else:
                x = (down if layer.kind == "down" else up)(x, weight) + bias[:, None, :, None, None]
            if index == 0 and self.image is not None:
                channels, side = self.image
                x = x.view(*x.shape[:2], channels, side, side)
            if index < len(self.layers) - 1:
                x = leaky_relu(x, SLOPE)
        return torch.tanh(x) if self.bounded else x


def _used(units: int, positions: int, width: Tensor, narrow: bool) -> Tensor:
    """1.0 for the features in use at the row's width: [N, units]."""
    if not narrow:
        return torch.ones(len(width), units, device=width.device)
    active = (width * (units // positions)).round().clamp(min=1)
    return ((torch.arange(units, device=width.device) // positions) < active[:, None]).float()


def mlp(latent_dim: int, width: int, depth: int, features: int) -> tuple[Network, Network]:
    """Generator and discriminator with `depth` hidden layers of `width` units for samples of `features` numbers."""

    def chain(inputs: int, outputs: int) -> tuple[Layer, ...]:
        hidden = [Layer("linear", width, width) for _ in range(depth - 1)]
        first = Layer("linear", inputs, width, narrow_inputs=False)
        return (first, *hidden, Layer("linear", width, outputs, narrow_outputs=False))

    return Network(chain(latent_dim, features)), Network(chain(features, 1))


def dcgan(latent_dim: int, width: int, sample_shape: tuple[int, ...]) -> tuple[Network, Network]:
    """A small DCGAN (Radford et al. 2016) without batch normalisation, for images whose side is a multiple of four.

    Args:
        latent_dim: length of z.
        width: channels at the full resolution's first feature map; twice as many at a quarter of the side.
        sample_shape: (C, H, W), H = W.
    """
    channels, side = sample_shape[0], sample_shape[-1]
    quarter, deep = side // 4, 2 * width
    area = quarter * quarter
    generator = Network(
        (
            Layer("linear", latent_dim, deep * area, narrow_inputs=False, positions=area),
            Layer("up", deep, width),
            Layer("up", width, channels, narrow_outputs=False),
        ),
        image=(deep, quarter),
        bounded=True,
    )
    discriminator = Network(
        (
            Layer("down", channels, width, narrow_inputs=False),
            Layer("down", width, deep),
            Layer("linear", deep * area, 1, narrow_outputs=False, positions=area),
        )
    )
    return generator, discriminator
