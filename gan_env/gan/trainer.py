"""One decision interval: k updates of every GAN -> training statistics."""

from dataclasses import fields

import torch
from torch import Tensor

from gan_env.gan.population import Population
from gan_env.gan.update import MEANS, STATISTICS
from gan_env.records import TrainStats

EXPLODED = 1e4
"""Weights or losses beyond this count as divergence."""


def train_interval(population: Population, knobs: dict[str, Tensor], updates: int) -> TrainStats:
    """Runs `updates` updates of every row with fixed knobs (name -> value [N]).

    Returns:
        Statistics over the interval. A diverged row has `finite` False and may hold any number elsewhere.
    """
    population.state.totals.zero_()
    population.update(knobs, updates)
    averages = dict(zip(STATISTICS, (population.state.totals / updates).unbind(dim=1), strict=True))
    clean_train, clean_held_out = population.clean_logits(knobs)
    largest = torch.stack(
        [population.state.g.abs().amax(dim=1), population.state.d.abs().amax(dim=1)]
        + [averages[name].abs() for name in ("loss_d", "loss_g")]
    ).amax(dim=0)  # [N]; NaN wins
    return TrainStats(
        **{name: averages[name] for name in MEANS},
        spread_d=_spread(averages["square_loss_d"], averages["loss_d"]),
        spread_g=_spread(averages["square_loss_g"], averages["loss_g"]),
        grad_d=averages["square_grad_d"].sqrt(),
        grad_g=averages["square_grad_g"].sqrt(),
        clean_train=clean_train,
        clean_held_out=clean_held_out,
        finite=largest < EXPLODED,  # False for NaN
    )


def untrained(population: Population, knobs: dict[str, Tensor]) -> TrainStats:
    """The statistics before the first interval: zeros, but for the clean logits."""
    clean_train, clean_held_out = population.clean_logits(knobs)
    zero = torch.zeros_like(clean_train)
    blank = {field.name: zero for field in fields(TrainStats)}
    known = {"clean_train": clean_train, "clean_held_out": clean_held_out, "finite": torch.ones_like(zero).bool()}
    return TrainStats(**{**blank, **known})


def _spread(mean_square: Tensor, mean: Tensor) -> Tensor:
    """Standard deviation from the first two moments; rounding may make the difference negative."""
    return (mean_square - mean.square()).clamp(min=0).sqrt()
