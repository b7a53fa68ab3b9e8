"""Judges of samples: samples [N, S, *shape] -> a `Quality` record with one entry per row.

Samples are compared with both halves of their data set's held-out samples: the scored half gives `score`, the
validation half everything else. What is computed from the samples alone is computed once.
"""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gan_env.errors import ConfigError, require
from gan_env.metrics.diversity import coverage, mean_distance, mode_coverage, neighbour_radii, pad_centers
from gan_env.metrics.features import ClassifierFeatures
from gan_env.metrics.frechet import FrechetDistance
from gan_env.metrics.wasserstein import SlicedWasserstein
from gan_env.records import FLOOR, Dataset, Quality, decode

ROUNDING = 1e-3
"""A metric of one's own may be below 0 by as much."""
COVERED = 512
"""Real images whose coverage is measured at every decision: they cost a tenth of the judge's time."""


class PointsJudge:
    """Sliced Wasserstein distance, modes covered and high-quality samples for 2-D points."""

    metric_name = "sliced Wasserstein distance to held-out points"
    extractor_hash: str | None = None

    def __init__(self, datasets: Sequence[Dataset], samples: int) -> None:
        validation = [data.validation for data in datasets]
        self.distance = SlicedWasserstein(validation + [data.scored for data in datasets], samples)
        self.centers = pad_centers([data.centers for data in datasets])  # [D, M, 2]
        self.stds = torch.tensor([data.std for data in datasets], device=self.centers.device)
        self.real_spread = torch.cat([mean_distance(points[None]) for points in validation])

    def __call__(self, samples: Tensor, dataset: Tensor) -> Quality:
        """Judges samples [N, S, 2] against the data sets [N]."""
        spread = mean_distance(samples) / self.real_spread[dataset]
        modes, high_quality = mode_coverage(samples[:, :256], self.centers[dataset], self.stds[dataset])
        metrics = self.distance(samples, both_halves(dataset, len(self.stds)))
        return quality(metrics, spread, {"modes": modes, "high_quality": high_quality})


class ImageJudge:
    """Frechet distance, spread and coverage in the features of the classifier that is for such images."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        first = datasets[0].validation
        self.extract = ClassifierFeatures(first.device, first.shape[1:])
        self.metric_name = f"Frechet distance ({self.extract.name})"
        self.extractor_hash: str | None = self.extract.fingerprint
        validation = [self.extract.of_stored(data.validation) for data in datasets]
        self.distance = FrechetDistance(validation + [self.extract.of_stored(data.scored) for data in datasets])
        self.real_spread = torch.cat([mean_distance(features[None]) for features in validation])
        count = min(COVERED, *map(len, validation))
        self.reals = torch.stack([features[:count] for features in validation])  # [D, M, F]
        self.radii = neighbour_radii(self.reals)  # [D, M]

    def __call__(self, samples: Tensor, dataset: Tensor) -> Quality:
        """Judges samples [N, S, C, H, W] in [-1, 1] against the data sets [N]."""
        features = self.extract(samples)  # [N, S, F]
        spread = mean_distance(features) / self.real_spread[dataset]
        metrics = self.distance(features, both_halves(dataset, len(self.reals)))
        covered = coverage(features, self.reals[dataset], self.radii[dataset])
        return quality(metrics, spread, {"coverage": covered})


class RegisteredJudge:
    """A metric of `METRICS` in the place of the built-in one, whose judge still gives spread and shares.

    Attributes:
        built_in: that judge.

    Raises:
        ConfigError: the metric can't be made, or fails, or isn't one finite number a row, 0 or more, for samples of the
            validation half; when it judges, it is negative.
    """

    def __init__(self, name: str, datasets: Sequence[Dataset], samples: int) -> None:
        self.metric_name, self.built_in = name, built_in_judge(datasets, samples)
        self.extractor_hash = self.built_in.extractor_hash
        references = [data.validation for data in datasets] + [data.scored for data in datasets]
        try:
            self.metrics = [METRICS[name](decode(reference)) for reference in references]
        except Exception as error:
            what = f"the metric {name!r} can't be made ({type(error).__name__}: {error})"
            raise ConfigError(f"{what}. It is made from real samples, such as {tuple(references[0].shape)}") from error
        first = decode(references[0][:samples])
        tried = torch.stack([first, first.flip(0)])  # [2, S, *shape]
        try:
            values = self.metrics[0](tried)
        except Exception as error:
            what = f"the metric {name!r} fails with {type(error).__name__}: {error}"
            raise ConfigError(f"{what}. It got samples of shape {tuple(tried.shape)}") from error
        fits = isinstance(values, Tensor) and values.shape == (2,) and bool((values.isfinite() & (values >= 0)).all())
        what = f"the metric {name!r} of two rows of real samples"
        require(fits, what, values, "a tensor of shape (2,), finite and 0 or more")

    def __call__(self, samples: Tensor, dataset: Tensor) -> Quality:
        """Judges samples [N, S, *shape] against the data sets [N]."""
        judged = self.built_in(samples, dataset)
        metrics = torch.empty(len(dataset), 2, device=samples.device)
        for index, metric in enumerate(self.metrics):
            half, own = divmod(index, len(self.metrics) // 2)
            rows = dataset == own
            if rows.any():
                found = metric(samples[rows]).float()
                negative = bool((found < -ROUNDING).any())  # false for NaN, which a diverged row may have
                require(not negative, f"the metric {self.metric_name!r}", found, "0 or more; lower is better")
                metrics[rows, half] = found.clamp(min=0)
        log_metric, score = torch.log(metrics + FLOOR).unbind(dim=1)
        return dataclasses.replace(judged, log_metric=log_metric, score=score)


METRICS: dict[str, Callable[[Tensor], Callable[[Tensor], Tensor]]] = {}
"""Users' own metrics by name: real samples -> a function of samples; `gan_env.register_metric` fills it."""
Judge = PointsJudge | ImageJudge | RegisteredJudge
"""All have `metric_name`, for people, and `extractor_hash`, of the weights that see the samples (None: no weights)."""


def built_in_judge(datasets: Sequence[Dataset], samples: int) -> PointsJudge | ImageJudge:
    """The judge for the kind of the data sets."""
    return PointsJudge(datasets, samples) if datasets[0].validation.dim() == 2 else ImageJudge(datasets)


def make_judge(datasets: Sequence[Dataset], samples: int, metric: str = "auto") -> Judge:
    """The judge of S = `samples` samples per row that fits the data sets, which are of one kind and on one device.

    Raises:
        ConfigError: `metric` is neither "auto" nor in `METRICS`, or it can't be used.
    """
    known = f"one of {['auto', *sorted(METRICS)]}; gan_env.register_metric adds one"
    require(metric in ("auto", *METRICS), "metric", metric, known)
    return built_in_judge(datasets, samples) if metric == "auto" else RegisteredJudge(metric, datasets, samples)


def both_halves(dataset: Tensor, count: int) -> Tensor:
    """Indices of the validation and scored references of data sets [N]; the scored ones come `count` later: [N, 2]."""
    return torch.stack([dataset, dataset + count], dim=1)


def quality(metrics: Tensor, spread: Tensor, extras: dict[str, Tensor]) -> Quality:
    """The record of metrics [N, 2] (validation half, scored half) and of the samples' spread over the data's [N]."""
    log_metric, score = torch.log(metrics + FLOOR).unbind(dim=1)
    return Quality(log_metric, score, torch.log(spread + FLOOR), extras)
