"""The judgement of GANs in training: the metric that fits their data, on samples of all rows."""

import math

from torch import Tensor

from gan_env.data.bank import DataBank
from gan_env.data.dataset import decode
from gan_env.gan.population import Population
from gan_env.metrics.judge import ImageJudge, Judge, PointsJudge
from gan_env.records import Quality
from gan_env.workers import Workers

JUDGED_TOGETHER = 24
"""Rows that one core of a CPU judges at a time, at most."""


def make_judge(bank: DataBank, samples: int) -> Judge:
    """The quality metric that fits the data: sliced Wasserstein for points, Frechet distance for images."""
    bank.require_held_out(samples)
    held_out = [dataset.held_out for dataset in bank.datasets]
    if len(bank.sample_shape) == 1:
        first = bank.datasets[0]
        return PointsJudge(held_out, [dataset.centers for dataset in bank.datasets], first.std, samples)
    return ImageJudge(held_out, decode)


class PopulationJudge:
    """Judges samples of every row's averaged generator, which are made and forgotten block by block.

    Args:
        population: the GANs.
        judge: the metric.
        samples: how many a row.
    """

    def __init__(self, population: Population, judge: Judge, samples: int) -> None:
        self.population, self.judge, self.samples = population, judge, samples
        self._workers = Workers(population.device)

    def __call__(self) -> Quality:
        """The judgement of all rows as they are now."""
        population = self.population

        def judge(weights: Tensor, latents: Tensor, dataset: Tensor) -> Quality:
            return self.judge(population.generator(weights, latents), dataset)

        rows = [population.state.ema, population.latents(self.samples), population.settings.dataset]
        share = math.ceil(population.num_rows / self._workers.threads)
        block = min(JUDGED_TOGETHER, share) if population.device.type == "cpu" else population.num_rows
        return Quality.join(self._workers.each_block(judge, rows, block))
