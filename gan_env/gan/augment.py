"""Differentiable augmentation on the discriminator's inputs, part by part, each with a probability per row.

As in StyleGAN2-ADA (Karras et al. 2020, arXiv:2006.06676) p in [0, 1] is the *probability* with which a part is applied
to each sample, so the real distribution stays the generator's optimum for p < 1; the same distribution of
transforms meets real and fake. At p = 0 the inputs pass through bit by bit.

Parts of points:

- rotate: by any angle about the origin.
- scale: by exp(u), u uniform within +- `POINT_SCALE`. Rotation and scaling share one coin a sample.

Parts of images, in the order in which they are applied:

- rotate: by 0, 90, 180 or 270 degrees, as ADA's first transforms: other angles would blur and empty small images.
- flip: left and right, in half of the cases.
- translate: by whole pixels, up to `SHIFT` of the side; what is empty is 0.
- color: brightness; for three channels also saturation and contrast (DiffAugment, Zhao et al. 2020, arXiv:2006.10738).
- cutout: a square of half the side becomes 0.

A strength in [0, 1] per row is a factor on the sizes: angle and scaling of points, shift, colour and the cutout's side.
A flip and a quarter turn have no size.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

POINT_SCALE = 0.35
SHIFT, CUTOUT, BRIGHTNESS = 0.125, 0.5, 0.5  # DiffAugment's strengths

POINT_PARTS = ("rotate", "scale")
AMOUNTS = {"rotate": 1, "flip": 1, "translate": 2, "color": 3, "cutout": 2}  # uniform numbers besides a part's coin
PARTS = tuple(AMOUNTS)
UMBRELLA = {1: POINT_PARTS, 3: PARTS[1:]}
"""The parts that the knob `augment` applies, by the number of dimensions of a sample: all but the rotation of images,
which turns most data into something else."""


@dataclass(frozen=True)
class Augmentation:
    """The parts that a program applies; those that are left out cost nothing."""

    sample_shape: tuple[int, ...]  # (2,) or (C, H, W)
    parts: tuple[str, ...]  # some of `POINT_PARTS` or `PARTS`

    @classmethod
    def of_knobs(cls, sample_shape: tuple[int, ...], knobs: Sequence[str]) -> "Augmentation":
        """The parts that some of these knobs apply."""
        umbrella = UMBRELLA[len(sample_shape)] if "augment" in knobs else ()
        known = PARTS if len(sample_shape) == 3 else POINT_PARTS
        return cls(sample_shape, tuple(part for part in known if part in knobs or part in umbrella))

    @property
    def is_image(self) -> bool:
        """Whether samples are images, else points."""
        return len(self.sample_shape) == 3

    @property
    def draws(self) -> int:
        """Uniform numbers that each sample takes: places for all parts that there are, whichever are applied."""
        if not self.parts:
            return 0
        return len(PARTS) + sum(AMOUNTS.values()) if self.is_image else 1 + len(POINT_PARTS)

    def probabilities(self, umbrella: Tensor, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The parts' probabilities [N]: umbrella + own (1 - umbrella), as if each of the two knobs threw a coin.

        Args:
            umbrella: the knob `augment`, [N]; counts for the parts in `UMBRELLA`.
            own: the knobs of single parts, [N] each; those not given are zero.
        """
        found = {}
        for part in self.parts:
            shared = umbrella if part in UMBRELLA[len(self.sample_shape)] else torch.zeros_like(umbrella)
            found[part] = shared + own[part] * (1 - shared) if part in own else shared  # exact where one is 0
        return found

    def apply(self, x: Tensor, draws: Tensor, probabilities: Mapping[str, Tensor], strength: Tensor) -> Tensor:
        """Transforms samples [N, B, *sample_shape] by uniform draws [N, draws, B] in [0, 1).

        `probabilities` are [N] for each part; `strength` [N] in [0, 1] is a factor on the sizes of all transforms.
        """
        if not self.parts:
            return x
        return (augment_images if self.is_image else augment_points)(x, draws, probabilities, strength)


def augment_points(x: Tensor, draws: Tensor, probabilities: Mapping[str, Tensor], strength: Tensor) -> Tensor:
    """Random rotation about the origin and random scaling of points [N, B, 2].

    The draws [N, 3, B] are one coin for both parts, angle and scale; for the others see `Augmentation.apply`.
    """
    coin, turn, size = draws.unbind(dim=1)  # [N, B]
    active = {part: (coin < chance[:, None]).to(x.dtype) for part, chance in probabilities.items()}
    idle = torch.zeros_like(coin)
    angle = active.get("rotate", idle) * (turn - 0.5) * (2 * math.pi) * strength[:, None]
    scale = torch.exp(active.get("scale", idle) * (2 * size - 1) * POINT_SCALE * strength[:, None])
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    return torch.stack([cos * x[..., 0] - sin * x[..., 1], sin * x[..., 0] + cos * x[..., 1]], dim=-1)


def augment_images(x: Tensor, draws: Tensor, probabilities: Mapping[str, Tensor], strength: Tensor) -> Tensor:
    """Random quarter turns, flip, integer shift, colour and cutout of images [N, B, C, H, W].

    Turns, flip and shift are a transposition and products with one-hot matrices, so that gradients need no scatter.
    The draws [N, 14, B] are a coin for each of `PARTS`, then the amounts of each; for the others see
    `Augmentation.apply`.
    """
    coins, amounts = draws[:, : len(PARTS)], draws[:, len(PARTS) :]
    coin = dict(zip(PARTS, coins.unbind(dim=1), strict=True))  # [N, B]
    amount = dict(zip(PARTS, amounts.split([*AMOUNTS.values()], dim=1), strict=True))  # [N, k, B]
    active = {part: (coin[part] < chance[:, None]).to(x.dtype) for part, chance in probabilities.items()}  # [N, B]
    size = {part: on * strength[:, None] for part, on in active.items()}  # [N, B]
    if not active.keys().isdisjoint(("rotate", "flip", "translate")):
        x = _move(x, active, size, amount)
    if "color" in active:
        x = _colour(x, size["color"], amount["color"])
    if "cutout" in active:
        y, z = amount["cutout"].unbind(dim=1)
        side = CUTOUT * strength[:, None, None]
        hole = _near(x.shape[-2], y, side)[..., :, None] & _near(x.shape[-1], z, side)[..., None, :]  # [N, B, H, W]
        x = x * (1 - hole * active["cutout"][..., None, None])[:, :, None]
    return x


def _move(x: Tensor, active: Mapping[str, Tensor], size: Mapping[str, Tensor], amount: Mapping[str, Tensor]) -> Tensor:
    """Quarter turns, then the flip, then the shift of whole pixels, each if it is there."""
    zeros = torch.zeros_like(next(iter(active.values())))
    upside_down, mirrored = zeros > 0, zeros > 0  # [N, B]
    down = right = zeros
    if "rotate" in active:
        turns = (active["rotate"] * amount["rotate"][:, 0] * 4).floor()  # anticlockwise
        x = torch.where((turns % 2 == 1)[..., None, None, None], x.mT, x)
        upside_down, mirrored = (turns == 1) | (turns == 2), turns >= 2
    if "flip" in active:
        mirrored = mirrored ^ (active["flip"] * (amount["flip"][:, 0] < 0.5) > 0)
    if "translate" in active:
        down, right = (size["translate"] * (2 * share - 1) * SHIFT for share in amount["translate"].unbind(dim=1))
    rows = _move_matrix(x.shape[-2], upside_down, down, x.dtype)  # [N, B, H, H]
    columns = _move_matrix(x.shape[-1], mirrored, right, x.dtype)
    return rows[:, :, None] @ x @ columns[:, :, None].mT


def _move_matrix(size: int, flip: Tensor, shift: Tensor, dtype: torch.dtype) -> Tensor:
    """[N, B, size, size] matrices that mirror (where `flip`) and then shift by a share of the size; empty = 0."""
    to = torch.arange(size, device=flip.device)[:, None]
    source = to - (shift * size).round().long()[..., None, None]
    source = torch.where(flip[..., None, None], size - 1 - source, source)
    return (source == to.mT).to(dtype)


def _colour(x: Tensor, size: Tensor, amounts: Tensor) -> Tensor:
    """Adds brightness; with three channels then scales saturation by 0 to 2 and contrast by 0.5 to 1.5."""

    def strength(index: int) -> Tensor:
        return (size * (2 * amounts[:, index] - 1))[..., None, None, None]  # [N, B, 1, 1, 1], within +- 1

    x = x + strength(0) * BRIGHTNESS
    if x.shape[2] == 3:
        x = x + (x - x.mean(dim=2, keepdim=True)) * strength(1)
        x = x + (x - x.mean(dim=(2, 3, 4), keepdim=True)) * (strength(2) / 2)
    return x


def _near(size: int, center: Tensor, side: Tensor) -> Tensor:
    """Whether a pixel is inside a cutout of `side`, a share of the image's, along one axis: [N, B, size]."""
    pixel = (torch.arange(size, device=center.device) + 0.5) / size
    return (pixel - center[..., None]).abs() < side / 2
