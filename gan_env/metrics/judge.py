"""Judges of samples: samples [N, S, *shape] -> a `Quality` record with one entry a row."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from gan_env.metrics.diversity import coverage_and_density, mean_distance, mode_coverage, neighbour_radii, pad_centers
from gan_env.metrics.features import ClassifierFeatures
from gan_env.metrics.frechet import FrechetDistance
from gan_env.metrics.wasserstein import SlicedWasserstein
from gan_env.records import Quality


class Judge(Protocol):
    """Judges samples [N, S, *shape] of the data sets with indices [N].

    Attributes:
        metric_name: what the metric is, for people.
        extractor_hash: hash of the weights that it sees samples through; None: it sees them as they are.
    """

    metric_name: str
    extractor_hash: str | None

    def __call__(self, samples: Tensor, dataset: Tensor) -> Quality:
        """One entry a row."""


FLOOR = 1e-6  # keeps the logarithm of a perfect score finite


class PointsJudge:
    """Sliced Wasserstein distance, modes covered and high-quality samples for 2-D points.

    Args:
        held_out: held-out points of each data set, [M, 2].
        centers: modes of each data set, [M_i, 2].
        std: standard deviation of a mode.
        samples: S.
    """

    metric_name = "sliced Wasserstein distance to held-out points"
    extractor_hash: str | None = None

    def __init__(self, held_out: list[Tensor], centers: list[Tensor], std: float, samples: int) -> None:
        self.distance = SlicedWasserstein(held_out, samples)
        self.centers = pad_centers(centers)
        self.std = std
        self.real_spread = torch.cat([mean_distance(points[None]) for points in held_out])

    def __call__(self, samples: Tensor, dataset: Tensor) -> Quality:
        """Judges samples [N, S, 2] against the data sets [N]."""
        spread = mean_distance(samples) / self.real_spread[dataset]
        modes, high_quality = mode_coverage(samples[:, :256], self.centers[dataset], self.std)
        metric = self.distance(samples, dataset)
        extras = {"modes": modes, "high_quality": high_quality}
        return Quality(torch.log(metric + FLOOR), torch.log(spread + FLOOR), extras)


COVERED = 512
"""Real images whose coverage is measured at every decision: they cost a tenth of the judge's time."""


class ImageJudge:
    """Frechet distance, spread and coverage in the features of a small classifier, one for grey and one for colour.

    Args:
        held_out: held-out images of each data set as they are stored, [M, C, H, W].
        decode: stored images -> float in [-1, 1]; called with 1,024 at a time, since all may not fit as floats.
    """

    def __init__(self, held_out: list[Tensor], decode: Callable[[Tensor], Tensor]) -> None:
        self.extract = ClassifierFeatures(held_out[0].device, channels=held_out[0].shape[1])
        self.metric_name = f"Frechet distance ({self.extract.name})"
        self.extractor_hash: str | None = self.extract.fingerprint
        features = [torch.cat([self.extract(decode(part)) for part in images.split(1024)]) for images in held_out]
        self.distance = FrechetDistance(features)
        self.real_spread = torch.cat([mean_distance(f[None]) for f in features])
        count = min(COVERED, *(len(f) for f in features))
        self.reals = torch.stack([f[:count] for f in features])  # [D, M, F]
        self.radii = neighbour_radii(self.reals)  # [D, M]

    def __call__(self, samples: Tensor, dataset: Tensor) -> Quality:
        """Judges samples [N, S, C, H, W] in [-1, 1] against the data sets [N]."""
        features = self.extract(samples)  # [N, S, F]
        spread = mean_distance(features) / self.real_spread[dataset]
        metric = self.distance(features, dataset)
        coverage, _ = coverage_and_density(features, self.reals[dataset], self.radii[dataset])
        return Quality(torch.log(metric + FLOOR), torch.log(spread + FLOOR), {"coverage": coverage})
