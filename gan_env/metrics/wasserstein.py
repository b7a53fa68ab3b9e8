"""Sliced Wasserstein distance between each row's samples and fixed points."""

import math

import numpy as np
import torch
from torch import Tensor

DIRECTIONS = 32
"""Lines onto which points are projected."""


class SlicedWasserstein:
    """Sliced 1-Wasserstein distance in the plane (Rabin et al. 2011; Bonneel et al. 2015).

    Directions are evenly spaced over half a circle, which in two dimensions beats random ones, and the reference's
    quantiles along each are computed once.

    Args:
        references: sets of points that samples are compared with, [M, 2] each.
        samples: S, the number of samples per row that will be compared.
    """

    def __init__(self, references: list[Tensor], samples: int) -> None:
        angle = torch.arange(DIRECTIONS, device=references[0].device) * (math.pi / DIRECTIONS)
        self.axes = torch.stack([torch.cos(angle), torch.sin(angle)])  # [2, A]
        level = (torch.arange(samples, device=angle.device) + 0.5) / samples
        self.quantiles = torch.stack(  # [D, A, S]
            [torch.quantile((points @ self.axes).T, level, dim=1).T for points in references]
        )

    def __call__(self, samples: Tensor, reference: Tensor) -> Tensor:
        """Distances: samples [N, S, 2], reference [N] or [N, K] (indices) -> as `reference`. NaN samples give NaN."""
        projected = sort(self.axes.mT @ samples.mT)  # [N, A, S]
        columns = reference.view(len(samples), -1).unbind(dim=1)  # K of [N]
        distances = [self.quantiles[column].sub_(projected).abs_().mean(dim=(1, 2)) for column in columns]
        return torch.stack(distances, dim=1).view_as(reference)


def sort(values: Tensor) -> Tensor:
    """Sorts the last dimension. On a CPU numpy's AVX sort is some twenty times faster than torch's."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.sort(values.numpy(), axis=-1))
    return values.sort(dim=-1).values
