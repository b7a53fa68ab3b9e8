"""Frechet distance between Gaussians fitted to features, for all rows at once.

With `S` the samples' covariance and `R` the reference's, `tr sqrt(S R)` is the sum of the roots of the eigenvalues of
the symmetric `sqrt(R) S sqrt(R)`: one `eigvalsh` a row, and no matrix root in the loop.
"""

import torch
from torch import Tensor

from gan_env.workers import each_block

BLOCK = 8  # rows that one core measures at a time: their features stay in its cache


def feature_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Fits a Gaussian: features [..., S, F] -> mean [..., F], covariance [..., F, F] (unbiased), float64.

    The product is made in float64: samples that are few or alike have a singular covariance, and in float32 the roots
    of its rounded zeros would add up to a distance that is too small.
    """
    mean = features.mean(dim=-2)
    centered = (features - mean[..., None, :]).double()
    return mean.double(), centered.mT @ centered / (features.shape[-2] - 1)


class FrechetDistance:
    """Squared Frechet distance to fixed references (FID's formula; Heusel et al. 2017, arXiv:1706.08500).

    Args:
        references: features of the sets that samples are compared with, [M, F] each.
    """

    def __init__(self, references: list[Tensor]) -> None:
        means, covariances = zip(*(feature_statistics(features.double()) for features in references), strict=True)
        self.means = torch.stack(means)  # [D, F]
        self.traces = torch.stack([covariance.trace() for covariance in covariances])  # [D]
        self.roots = torch.stack([_symmetric_root(covariance) for covariance in covariances])  # [D, F, F]

    def __call__(self, features: Tensor, reference: Tensor) -> Tensor:
        """Distances: features [N, S, F], reference [N] or [N, K] (indices) -> as `reference`, float32.

        NaN features give NaN.
        """
        block = BLOCK if features.device.type == "cpu" else len(features)
        columns = reference.view(len(features), -1)  # [N, K]
        return torch.cat(each_block(self._distances, [features, columns], block)).view_as(reference)

    def _distances(self, features: Tensor, columns: Tensor) -> Tensor:
        mean, covariance = feature_statistics(features)
        trace = covariance.diagonal(dim1=-2, dim2=-1).sum(dim=-1)  # [N]
        # eigvalsh refuses a whole batch for one NaN: such rows are measured as zeros and marked afterwards.
        finite = trace.isfinite()[:, None]
        covariance = torch.where(finite[:, None], covariance, 0)[:, None]  # [N, 1, F, F]
        root = self.roots[columns]  # [N, K, F, F]
        trace_root = torch.linalg.eigvalsh(root @ covariance @ root).clamp(min=0).sqrt().sum(dim=-1)  # [N, K]
        distance = (mean[:, None] - self.means[columns]).square().sum(dim=-1)
        distance = distance + trace[:, None] + self.traces[columns] - 2 * trace_root
        return torch.where(finite, distance.clamp(min=0), torch.nan).float()


def _symmetric_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.mT
    return root
