"""How varied samples are: coverage with and without known modes, and a spread that shows collapse without labels."""

from collections.abc import Iterator

import torch
from torch import Tensor

NEIGHBOURS = 128
"""Samples of which all pairs are compared for the collapse signal."""
NEAREST = 5
"""The radius of a real sample's ball is the distance to this neighbour, as Naeem et al. chose it."""
FAR = 1e3
"""Both coordinates of the modes that pad a data set which has fewer than another."""
_PART = 1024  # real samples whose distances are in memory at the same time


def mean_distance(features: Tensor) -> Tensor:
    """Mean distance between pairs of the first `NEIGHBOURS` samples: [N, S, F] -> [N]."""
    part = features[:, :NEIGHBOURS]
    count = part.shape[1]
    return torch.cdist(part, part).sum(dim=(1, 2)) / (count * (count - 1))


def neighbour_radii(reals: Tensor) -> Tensor:
    """Distance of every real sample to its `NEAREST`-th neighbour among the others: [..., M, F] -> [..., M].

    M has to be larger than `NEAREST`.
    """
    parts = [torch.cdist(part, reals) for part in reals.split(_PART, dim=-2)]  # [..., part, M]
    radii = [part.kthvalue(NEAREST + 1, dim=-1).values for part in parts]  # the nearest of all is itself
    return torch.cat(radii, dim=-1)


def coverage(samples: Tensor, reals: Tensor, radii: Tensor) -> Tensor:
    """The share of balls that hold a sample, in a feature space (Naeem et al. 2020, arXiv:2002.09797).

    Every real sample has a ball that reaches to its `NEAREST`-th real neighbour; a collapsed generator leaves most of
    them empty. S real samples against M others reach about 1 - (M / (M + S))**NEAREST, 0.97 for S = M.

    Samples [N, S, F], reals [N, M, F] and their `neighbour_radii` [N, M] -> [N]; NaN features are in no ball.
    """
    filled = [inside.any(dim=2) for inside in _inside(samples, reals, radii)]
    return torch.cat(filled, dim=1).float().mean(dim=1)


def density(samples: Tensor, reals: Tensor, radii: Tensor) -> Tensor:
    """The number of those balls that a sample lies in over `NEAREST`: about 1 for real samples, and not bounded."""
    counts = [inside.float().sum(dim=(1, 2)) for inside in _inside(samples, reals, radii)]
    return torch.stack(counts).sum(dim=0) / (NEAREST * samples.shape[1])


def _inside(samples: Tensor, reals: Tensor, radii: Tensor) -> Iterator[Tensor]:
    """Which samples lie in which balls, some balls after the others: bool [N, part, S]."""
    for part, part_radii in zip(reals.split(_PART, dim=1), radii.split(_PART, dim=1), strict=True):
        yield torch.cdist(part, samples) <= part_radii[..., None]


def mode_coverage(samples: Tensor, centers: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Modes covered and high-quality samples (VEEGAN, Srivastava et al. 2017, arXiv:1705.07761).

    A sample is of high quality within three standard deviations of a mode; a mode is covered if such a sample is there.

    Args:
        samples: [N, S, 2].
        centers: the modes of each row's data set, padded by `pad_centers`: [N, M, 2].
        std: standard deviation of a mode of each row's data set, [N].

    Returns:
        Share of modes covered and share of high-quality samples, [N] each; NaN where modes or their standard deviation
        are not known.
    """
    distance = torch.cdist(samples, centers)  # [N, S, M]
    known = (centers < FAR).all(dim=-1) & (std > 0)[:, None]  # [N, M]
    near = distance < 3 * std[:, None, None]
    modes = near.any(dim=1).sum(dim=1) / known.sum(dim=1)
    quality = near.any(dim=2).float().mean(dim=1)
    return modes, torch.where(known.any(dim=1), quality, torch.nan)


def pad_centers(centers: list[Tensor]) -> Tensor:
    """Stacks the modes of several data sets, [M_i, 2] each, into [D, M, 2], padded with modes far away."""
    return torch.nn.utils.rnn.pad_sequence(centers, batch_first=True, padding_value=FAR)
