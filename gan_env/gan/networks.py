"""Generators and discriminators: each architecture is a function of the sizes in the table `ARCHITECTURES`.

Only dcgan_bn mixes the samples of a batch. In all others a sample's gradient is its own, so that R1 and the padding of
smaller batches are exact. Generators of images end in tanh.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, relu

from gan_env.errors import require
from gan_env.gan.fast.convolutions import bilinear_down, bilinear_up, nearest_up, pool
from gan_env.gan.layers import LEAKY_GAIN, SLOPE, Layer, Map, Network, chain

RELU_GAIN = math.sqrt(2)
POOLED_BLOCKS, PLAIN_BLOCKS = 2, 2  # of the residual discriminator
EXPANSION, GROUP = 2, 16  # R3GAN's bottleneck for CIFAR-10: twice the channels, in groups of 16
COARSE = 8  # pixels at which dcgan stops
SMALLEST = 4  # pixels: the others halve and double down to this, or to what comes before an odd side


@dataclass(frozen=True)
class Sizes:
    """What all architectures are made from."""

    latent_dim: int  # length of z
    width: int  # hidden units (mlp) or channels (the others) at full width
    depth: int  # hidden layers of the mlp; the depth of the others follows from the image's side
    sample_shape: tuple[int, ...]  # (features,) or (C, H, W)


def build_mlp(sizes: Sizes) -> tuple[Network, Network]:
    """`depth` hidden layers of `width` units with leaky ReLU, for points and for images."""
    features, is_image = math.prod(sizes.sample_shape), len(sizes.sample_shape) > 1

    def layers(inputs: int, outputs: int) -> tuple[Layer, ...]:
        hidden = [Layer("linear", sizes.width, sizes.width) for _ in range(sizes.depth - 1)]
        first = Layer("linear", inputs, sizes.width, narrow_inputs=False)
        return (first, *hidden, Layer("linear", sizes.width, outputs, narrow_outputs=False, gain=1.0))

    def generate(maps: Sequence[Map], z: Tensor) -> Tensor:
        x = chain(maps, z).unflatten(2, sizes.sample_shape)
        return torch.tanh(x) if is_image else x

    return Network(layers(sizes.latent_dim, features), generate), Network(layers(features, 1))


def build_dcgan(sizes: Sizes, norms: bool = False) -> tuple[Network, Network]:
    """A small DCGAN (Radford et al. 2016, arXiv:1511.06434), without batch normalisation unless `norms` says so.

    `width` channels at half of the side, twice as many at each half of that. Images are halved at least twice, until
    their side is at most 8; once where half of their side is odd. Unlike in the paper, the generator too has leaky
    ReLU, and weights start at the scale of He et al. 2015 (arXiv:1502.01852), not at 0.02.

    Norms stand where the paper has them: after all maps but the last, and but the discriminator's first. They take the
    statistics of the batch that they are given, real or fake, also where a generator is judged, with whatever a smaller
    batch is filled up with; there are no running means.
    """
    channels, side = _image("dcgan_bn" if norms else "dcgan", sizes)
    halvings = 2 if side % 4 == 0 else 1
    while side >> halvings > COARSE and side % (2 << halvings) == 0:
        halvings += 1
    smallest = side >> halvings
    hidden, area = [sizes.width << level for level in range(halvings)], smallest * smallest
    deep = hidden[-1]

    def generate(maps: Sequence[Map], z: Tensor) -> Tensor:
        first, *others = _with_norms(maps) if norms else maps
        x = leaky_relu(first(z), SLOPE).unflatten(2, (deep, smallest, smallest))
        return torch.tanh(chain(others, x))

    def judge(maps: Sequence[Map], x: Tensor) -> Tensor:
        return chain([maps[0], *_with_norms(maps[1:])] if norms else maps, x)

    def normed(layers: Iterable[Layer]) -> Iterator[Layer]:
        for layer in layers:
            yield layer
            if norms:
                yield Layer("norm", 1, layer.outputs // layer.positions, narrow_inputs=False, gain=1.0)

    first = Layer("linear", sizes.latent_dim, deep * area, narrow_inputs=False, positions=area)
    generator = (
        *normed([first, *(Layer("up", wide, wide // 2) for wide in hidden[:0:-1])]),
        Layer("up", sizes.width, channels, narrow_outputs=False, gain=1.0),
    )
    discriminator = (
        Layer("down", channels, sizes.width, narrow_inputs=False),
        *normed(Layer("down", wide, 2 * wide) for wide in hidden[:-1]),
        Layer("linear", deep * area, 1, narrow_outputs=False, positions=area, gain=1.0),
    )
    return Network(generator, generate), Network(discriminator, judge)


def build_resnet(sizes: Sizes) -> tuple[Network, Network]:
    """SNGAN's residual networks for CIFAR-10 (Miyato et al. 2018, arXiv:1802.05957, table 4), `width` channels.

    Blocks of two 3x3 convolutions with ReLU. The generator doubles by the nearest pixel from the smallest image on; the
    discriminator has two blocks that halve by averaging, two that do not, and a global sum. Where a block resamples,
    its shortcut is a 1x1 convolution.

    Unlike in the paper, both players have the same width, and the generator has no batch normalisation, which mixes
    samples (instance normalisation in its place was slower and no better). Spectral normalisation is a knob.
    """
    channels, side = _image("resnet", sizes, multiple=2**POOLED_BLOCKS)
    smallest, doublings = _smallest(side)
    width, area = sizes.width, smallest * smallest

    def generate(maps: Sequence[Map], z: Tensor) -> Tensor:
        x = maps[0](z).unflatten(2, (width, smallest, smallest))
        for shortcut, one, two in _triples(maps[1:-1]):
            x = nearest_up(shortcut(x)) + two(relu(one(nearest_up(relu(x)))))
        return torch.tanh(maps[-1](relu(x)))

    def judge(maps: Sequence[Map], x: Tensor) -> Tensor:
        for block, (shortcut, one, two) in enumerate(_triples(maps[: 3 * POOLED_BLOCKS])):
            x = shortcut(pool(x)) + pool(two(relu(one(relu(x) if block else x))))
        for one, two in zip(maps[3 * POOLED_BLOCKS : -1 : 2], maps[3 * POOLED_BLOCKS + 1 : -1 : 2], strict=True):
            x = x + two(relu(one(relu(x))))
        return maps[-1](relu(x).sum(dim=(-2, -1)))

    shortcut = Layer("conv", width, width, gain=1.0)
    conv3 = Layer("conv", width, width, side=3, gain=RELU_GAIN)
    generator = (
        Layer("linear", sizes.latent_dim, width * area, narrow_inputs=False, positions=area, gain=1.0),
        *(shortcut, conv3, conv3) * doublings,
        Layer("conv", width, channels, narrow_outputs=False, side=3, gain=1.0),
    )
    discriminator = (
        Layer("conv", channels, width, narrow_inputs=False, gain=1.0),
        Layer("conv", channels, width, narrow_inputs=False, side=3, gain=1.0),
        conv3,
        *(shortcut, conv3, conv3) * (POOLED_BLOCKS - 1),
        *(conv3, conv3) * PLAIN_BLOCKS,
        Layer("linear", width, 1, narrow_outputs=False, gain=1 / (side >> POOLED_BLOCKS) ** 2),
    )
    return Network(generator, generate), Network(discriminator, judge)


def build_r3gan(sizes: Sizes) -> tuple[Network, Network]:
    """R3GAN's networks (Huang et al. 2025, arXiv:2501.05441, section 3) with one block a resolution, `width` channels.

    A block is 1x1 to twice the channels, 3x3 in groups, 1x1 back, with leaky ReLU between and the input added. No
    normalisation: the last convolution of a block starts at zero and the others are scaled by the number of blocks to
    the power -1/4 (Zhang et al. 2019, arXiv:1901.09321). Between the blocks images are resampled bilinearly. The
    generator starts from a learnt image for each channel, the discriminator ends in a linear map of the smallest image.
    Unlike in the paper, every map has a bias, the generator ends in tanh, and the discriminator's head is one map.
    """
    channels, side = _image("r3gan", sizes)
    smallest, doublings = _smallest(side)
    width, expanded, area = sizes.width, EXPANSION * sizes.width, smallest * smallest
    blocks = doublings + 1
    groups = next(g for g in range(max(1, expanded // GROUP), 0, -1) if expanded % g == 0)

    def block(maps: Sequence[Map], x: Tensor) -> Tensor:
        return x + chain(maps, x)

    def generate(maps: Sequence[Map], z: Tensor) -> Tensor:
        x = maps[1](maps[0](z))
        for index, triple in enumerate(_triples(maps[2:-1])):
            x = block(triple, bilinear_up(x) if index else x)
        return torch.tanh(maps[-1](x))

    def judge(maps: Sequence[Map], x: Tensor) -> Tensor:
        x = maps[0](x)
        for index, triple in enumerate(_triples(maps[1:-1])):
            x = block(triple, bilinear_down(x) if index else x)
        return maps[-1](x)

    gain = LEAKY_GAIN * blocks**-0.25
    body = blocks * (
        Layer("conv", width, expanded, gain=gain),
        Layer("conv", expanded, expanded, side=3, groups=groups, gain=gain),
        Layer("conv", expanded, width, gain=0.0),
    )
    generator = (
        Layer("linear", sizes.latent_dim, width, narrow_inputs=False, gain=1.0),
        Layer("basis", 1, width, narrow_inputs=False, side=smallest, gain=1.0),
        *body,
        Layer("conv", width, channels, narrow_outputs=False, gain=1.0),
    )
    discriminator = (
        Layer("conv", channels, width, narrow_inputs=False, gain=1.0),
        *body,
        Layer("linear", width * area, 1, narrow_outputs=False, positions=area, gain=1.0),
    )
    return Network(generator, generate), Network(discriminator, judge)


ARCHITECTURES: dict[str, Callable[[Sizes], tuple[Network, Network]]] = {
    "mlp": build_mlp,
    "dcgan": build_dcgan,
    "dcgan_bn": partial(build_dcgan, norms=True),
    "resnet": build_resnet,
    "r3gan": build_r3gan,
}
"""Generator (z [N, B, latent_dim] -> [N, B, *sample_shape]) and discriminator (-> logits [N, B, 1]), by name."""


def _image(architecture: str, sizes: Sizes, multiple: int = 2) -> tuple[int, int]:
    """Channels and side of the images that an architecture is for."""
    shape = sizes.sample_shape
    points = f"mlp or auto for samples of shape {shape}: this one is for images (C, H, W)"
    require(len(shape) == 3, "architecture", architecture, points)
    require(shape[1] == shape[2], "sample_shape", shape, f"square images for {architecture!r}; 'mlp' takes others")
    larger = -(-shape[2] // multiple) * multiple
    known = f"a multiple of {multiple} for {architecture!r}: set image_size={larger}, or architecture=mlp"
    require(shape[2] % multiple == 0, "image_size", shape[2], known)
    return shape[0], shape[2]


def _smallest(side: int, doublings: int = 0) -> tuple[int, int]:
    """The smallest image and the number of doublings from it to `side`: 4 for a power of two, 7 for 28."""
    return (side, doublings) if side <= SMALLEST or side % 2 else _smallest(side // 2, doublings + 1)


def _with_norms(maps: Sequence[Map]) -> list[Map]:
    """Maps that are followed by a norm each, but for the last, as maps that are normed."""

    def both(apply: Map, norm: Map) -> Map:
        return lambda x: norm(apply(x))

    return [*map(both, maps[:-1:2], maps[1::2]), maps[-1]]


def _triples(maps: Sequence[Map]) -> list[Sequence[Map]]:
    """Three maps a block."""
    return [maps[start : start + 3] for start in range(0, len(maps), 3)]
