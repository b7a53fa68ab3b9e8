"""Differentiable augmentation and instance noise on the discriminator's inputs, their strength per row.

As in StyleGAN2-ADA (Karras et al. 2020, arXiv:2006.06676) a strength p in [0, 1] is the *probability* with which each
transform is applied to each sample, so the real distribution stays the generator's optimum for p < 1; the same
distribution of transforms meets real and fake. At p = 0 the inputs pass through bit by bit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

POINT_SCALE = 0.35  # points are scaled by exp(u), u uniform within +- this
SHIFT, CUTOUT, BRIGHTNESS = 0.125, 0.5, 0.5  # DiffAugment's strengths (Zhao et al. 2020, arXiv:2006.10738)


def augment_points(x: Tensor, draws: Tensor, probability: Tensor) -> Tensor:
    """Random rotation about the origin and random scaling.

    Args:
        x: [N, B, 2].
        draws: uniform in [0, 1), [N, 3, B].
        probability: [N].
    """
    chosen, turn, size = draws.unbind(dim=1)  # [N, B]
    active = (chosen < probability[:, None]).float()
    angle = active * (turn - 0.5) * (2 * math.pi)
    scale = torch.exp(active * (2 * size - 1) * POINT_SCALE)
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    return torch.stack([cos * x[..., 0] - sin * x[..., 1], sin * x[..., 0] + cos * x[..., 1]], dim=-1)


def augment_images(x: Tensor, draws: Tensor, probability: Tensor) -> Tensor:
    """Random flip, integer shift, brightness and cutout.

    Flip and shift are products with one-hot matrices, so that gradients need no scatter.

    Args:
        x: [N, B, C, H, W].
        draws: uniform in [0, 1), [N, 10, B].
        probability: [N].
    """
    flips, shifts, brightens, cuts = (draws[:, :4] < probability[:, None, None]).float().unbind(dim=1)  # [N, B]
    mirror, down, right, light, center_y, center_x = draws[:, 4:].unbind(dim=1)
    height, width = x.shape[-2:]
    rows = _move_matrix(height, torch.zeros_like(flips), shifts * (2 * down - 1) * SHIFT)  # [N, B, H, H]
    columns = _move_matrix(width, flips * (mirror < 0.5), shifts * (2 * right - 1) * SHIFT)
    x = rows[:, :, None] @ x @ columns[:, :, None].mT
    x = x + (brightens * (2 * light - 1) * BRIGHTNESS)[..., None, None, None]
    hole = _near(height, center_y)[..., :, None] & _near(width, center_x)[..., None, :]  # [N, B, H, W]
    return x * (1 - hole * cuts[..., None, None])[:, :, None]


def _move_matrix(size: int, flip: Tensor, shift: Tensor) -> Tensor:
    """[N, B, size, size] matrices that mirror (where flip is 1) and then shift by a share of the size; empty = 0."""
    to = torch.arange(size, device=flip.device)[:, None]
    source = to - (shift * size).round().long()[..., None, None]
    source = torch.where(flip[..., None, None] > 0, size - 1 - source, source)
    return (source == to.mT).float()


def _near(size: int, center: Tensor) -> Tensor:
    """Whether a pixel is inside the cutout along one axis: [N, B, size]."""
    pixel = (torch.arange(size, device=center.device) + 0.5) / size
    return (pixel - center[..., None]).abs() < CUTOUT / 2


@dataclass(frozen=True)
class Augmentation:
    """A transform and the number of uniform draws that it takes for each sample."""

    apply: Callable[[Tensor, Tensor, Tensor], Tensor]
    draws: int


AUGMENTATIONS = {1: Augmentation(augment_points, 3), 3: Augmentation(augment_images, 10)}
"""By the number of dimensions of a sample."""
