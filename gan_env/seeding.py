"""Randomness per row: stateless and counter-based.

Every GAN of the batch owns one 64-bit key. A draw is a pure function of a key and of the position in the draw, so row
i never depends on how many rows there are, and nothing has to be saved but the key. Keys may have any shape `[*K]`:
usually `[N]`, one a row, or `[k, N]`, one for each update and row.

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014),
read at arbitrary positions: `mix(key + position * golden_gamma)`.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def _signed(value: int) -> int:
    """The int64 that has the same 64 bits as `value`."""
    return (value + 2**63) % 2**64 - 2**63


_GAMMA = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)


def _shift_right(bits: Tensor, count: int) -> Tensor:
    """Logical right shift: torch's own copies the sign bit."""
    return (bits >> count) & ((1 << (64 - count)) - 1)


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ _shift_right(bits, 30)) * _MIX_1
    bits = (bits ^ _shift_right(bits, 27)) * _MIX_2
    return bits ^ _shift_right(bits, 31)


def fold_in(key: Tensor, data: int | Tensor) -> Tensor:
    """Derives an independent key, as `jax.random.fold_in` does.

    Args:
        key: int64, [*K].
        data: what distinguishes the new stream: a number, or int64 that broadcasts with `key`.

    Returns:
        int64, [*K].
    """
    step = _signed((data + 1) * _GAMMA) if isinstance(data, int) else (data + 1) * _GAMMA
    return _mix(_mix(key) + step)


def random_bits(key: Tensor, *shape: int) -> Tensor:
    """64 random bits an element: int64, [*K, *shape]."""
    return _mix(key[..., None] + _positions(math.prod(shape), key.device)).view(*key.shape, *shape)


@lru_cache(maxsize=256)
def _positions(count: int, device: torch.device) -> Tensor:
    """The counter's values, as data: computed in a compiled program their overflow would be undefined, and is wrong."""
    return torch.from_numpy(np.arange(1, count + 1) * np.int64(_GAMMA)).to(device)


def uniform(key: Tensor, *shape: int) -> Tensor:
    """Uniform in [0, 1), with 24 bits: float32, [*K, *shape]."""
    return _shift_right(random_bits(key, *shape), 40).float() * 2.0**-24


def normal(key: Tensor, *shape: int) -> Tensor:
    """Standard normal by Box and Muller's transform, always finite (|x| < 6): float32, [*K, *shape]."""
    bits = random_bits(key, *shape)
    radius = (_shift_right(bits, 40).float() + 0.5) * 2.0**-24  # in (0, 1), so the logarithm is finite
    angle = (bits & 0xFFFFFF).float() * (2 * math.pi * 2.0**-24)
    return torch.sqrt(-2 * torch.log(radius)) * torch.cos(angle)


def even_normal(key: Tensor, count: int, dims: int) -> Tensor:
    """Standard normal points that are spread more evenly than independent ones: float32, [*K, count, dims].

    A scrambled Sobol sequence, in which each key shifts the digits of all points by random ones of its own ("random
    digital shift"; Matousek, "On the L2-discrepancy for anchored boxes", J. Complexity 1998), through the inverse of
    the normal distribution. Means over the points are unbiased and vary less from key to key than those over
    independent points. Fewer points are the first of more; all are finite (|x| < 5.4).
    """
    shift = _shift_right(random_bits(key, dims), 64 - _DIGITS)[..., None, :]  # [*K, 1, dims]
    cells = _sobol(count, dims, key.device) ^ shift
    points: Tensor = torch.special.ndtri((cells.float() + 0.5) * 2.0**-_DIGITS)
    return points


_DIGITS = 23  # so that the middles of the cells in (0, 1) are exact as float32


@lru_cache(maxsize=16)
def _sobol(count: int, dims: int, device: torch.device) -> Tensor:
    """The first points of a sequence, as whole numbers below 2**_DIGITS: int64, [count, dims]."""
    points = torch.quasirandom.SobolEngine(dims, scramble=True, seed=0).draw(count, dtype=torch.float64)
    cells: Tensor = (points * 2**_DIGITS).long().to(device)
    return cells


def power(base: Tensor | float, exponent: Tensor) -> Tensor:
    """A power that doesn't depend on where a number stands in a tensor, so that a row doesn't depend on the others.

    On a CPU torch computes a tensor's numbers by vector instructions, and the last few, which don't fill a vector, one
    by one. In float32 the two round differently.
    """
    if exponent.device.type != "cpu":
        return base**exponent
    base = base.double() if isinstance(base, Tensor) else base
    return (base ** exponent.double()).to(exponent.dtype)
