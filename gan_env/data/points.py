"""2-D mixtures of Gaussians, generated in memory: the same samples in every process."""

import math
import zlib
from collections.abc import Callable

import numpy as np
import torch

from gan_env.errors import require
from gan_env.records import Dataset, Float64

POINTS_TRAIN, POINTS_HELD_OUT = 65_536, 8_192
POINTS_STD = 0.03


def ring_centers() -> Float64:
    """Eight modes on a circle (the ring of Unrolled GANs, Metz et al. 2017, arXiv:1611.02163)."""
    angle = np.arange(8) * (2 * math.pi / 8)
    return 0.8 * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def grid_centers() -> Float64:
    """Twenty-five modes on a 5 x 5 grid (VEEGAN, Srivastava et al. 2017, arXiv:1705.07761)."""
    side = np.linspace(-0.8, 0.8, 5)
    return np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


def spiral_centers() -> Float64:
    """Forty modes along two turns of an Archimedean spiral: nearly a curve."""
    turn = np.sqrt(np.linspace(0.03, 1, 40)) * 4 * math.pi  # evenly spaced along the curve
    return np.stack([np.cos(turn), np.sin(turn)], axis=1) * turn[:, None] * (0.85 / (4 * math.pi))


def moons_centers() -> Float64:
    """Two interleaved half circles of sixteen modes each."""
    angle = np.linspace(0, math.pi, 16)
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    return 0.55 * np.concatenate([upper, -upper])


def pinwheel_centers() -> Float64:
    """Five bent arms of five modes each."""
    arm, radius = np.meshgrid(np.arange(5), np.linspace(0.2, 0.85, 5), indexing="ij")
    angle = arm * (2 * math.pi / 5) + 1.2 * radius
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 2)


POINT_SETS: dict[str, Callable[[], Float64]] = {
    "ring": ring_centers,
    "grid": grid_centers,
    "spiral": spiral_centers,
    "moons": moons_centers,
    "pinwheel": pinwheel_centers,
}
"""Name -> centres of the modes in [-1, 1]^2; each mode is an isotropic Gaussian."""


def load_points(name: str) -> Dataset:
    """Generates a 2-D mixture: the same samples in every process, whatever other mixtures there are.

    Raises:
        ConfigError: its centres are not [M, 2] in [-1, 1].
    """
    centers = np.asarray(POINT_SETS[name]())
    fits = centers.ndim == 2 and centers.shape[0] > 0 and centers.shape[1] == 2 and bool((abs(centers) <= 1).all())
    require(fits, f"centres of the point set {name!r}", centers, "numbers of shape [M, 2] in [-1, 1]")
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    total = POINTS_TRAIN + POINTS_HELD_OUT
    modes = rng.integers(len(centers), size=total)
    samples = torch.from_numpy(centers[modes] + POINTS_STD * rng.standard_normal((total, 2))).float()
    return Dataset(samples[:POINTS_TRAIN], samples[POINTS_TRAIN:], torch.from_numpy(centers).float(), POINTS_STD)
