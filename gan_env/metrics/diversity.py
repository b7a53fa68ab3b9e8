"""How varied samples are: mode coverage, share of good samples, and a collapse signal that needs no labels."""

import torch
from torch import Tensor

NEIGHBOURS = 128
"""Samples of which all pairs are compared for the collapse signal."""


def mean_distance(features: Tensor) -> Tensor:
    """Mean distance between pairs of the first `NEIGHBOURS` samples: [N, S, F] -> [N]."""
    part = features[:, :NEIGHBOURS]
    count = part.shape[1]
    return torch.cdist(part, part).sum(dim=(1, 2)) / (count * (count - 1))


def mode_coverage(samples: Tensor, centers: Tensor, std: float) -> tuple[Tensor, Tensor]:
    """Modes covered and high-quality samples (VEEGAN, Srivastava et al. 2017, arXiv:1705.07761).

    A sample is of high quality within three standard deviations of a mode; a mode is covered if such a sample is there.

    Args:
        samples: [N, S, 2].
        centers: the modes of each row's data set, padded with infinity: [N, M, 2].
        std: standard deviation of a mode.

    Returns:
        Share of modes covered and share of high-quality samples, [N] each; NaN where there are no modes.
    """
    near = (samples[:, :, None] - centers[:, None]).norm(dim=-1) < 3 * std  # [N, S, M]
    known = centers.isfinite().all(dim=-1)  # [N, M]
    modes = near.any(dim=1).float().sum(dim=1) / known.sum(dim=1)
    quality = near.any(dim=2).float().mean(dim=1)
    return modes, torch.where(known.any(dim=1), quality, torch.nan)


def pad_centers(centers: list[Tensor]) -> Tensor:
    """Stacks the modes of several data sets, [M_i, 2] each, into [D, M, 2], padded with infinity."""
    return torch.nn.utils.rnn.pad_sequence(centers, batch_first=True, padding_value=torch.inf)
