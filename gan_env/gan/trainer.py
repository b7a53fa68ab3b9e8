"""One decision interval: k updates of every GAN -> training statistics."""

import torch
from torch import Tensor

from gan_env.gan.population import Population
from gan_env.records import MEANS, TrainStats

EXPLODED = 1e4
"""Weights or losses beyond this count as divergence."""


def train_interval(population: Population, knobs: dict[str, Tensor], updates: int) -> TrainStats:
    """Runs `updates` updates of every row with fixed knobs (name -> value [N]).

    Returns:
        Statistics over the interval. A diverged row has `finite` False and may hold any number elsewhere.
    """
    population.state.totals.zero_()
    population.update(knobs, updates)
    averages = dict(zip(MEANS, (population.state.totals / updates).unbind(dim=1), strict=True))
    clean_train, clean_held_out = population.clean_logits(knobs)
    largest = torch.stack(
        [population.state.g.abs().amax(dim=1), population.state.d.abs().amax(dim=1)]
        + [averages[name].abs() for name in ("loss_d", "loss_g")]
    ).amax(dim=0)  # [N]; NaN wins
    return TrainStats.of_means(averages, clean_train, clean_held_out, finite=largest < EXPLODED)  # False for NaN
