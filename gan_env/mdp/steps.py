"""Sizes of updates, |update| / |weights|, learning rates relative to weights, and the units of action modes."""

import torch
from torch import Tensor

from gan_env.records import Moment, TrainStats
from gan_env.seeding import power

TINY = 1e-9
"""Added to both sides of a ratio, below any size that matters, so that it does not depend on their scale."""
SHARE_G, SHARE_D, POWER, AGE = 0.08, 0.6, 4.0, 100.0
"""The rule `steady_walk`: shares of G and of D where d' is 0; the power of 1 + d' that multiplies G's; and the age in
updates that weights have at the start."""
LARGEST = 0.03
"""The rule `limited_walk` has this in the place of AGE: the largest learning rate over the rms of the weights."""
LEAST_G, MOST_G = 1e-6, 1.0
"""Limits of G's share: with a smaller one its rate would be too close to 0 to be measured, and would never rise."""


def walk_step(updates: Tensor, beta_1: Tensor) -> Tensor:
    """|update| / |weights| of a random walk: sqrt((1 - beta_1) / (1 + beta_1)) / sqrt(updates).

    Adam divides gradients by their size. Where they are noise and the learning rate is constant, each weight changes by
    lr sqrt((1 - beta_1) / (1 + beta_1)) an update, and is about lr sqrt(t) after t updates, once it has outgrown its
    first value: the ratio does not depend on lr. With momentum in the place of Adam the ratio is the same as long as
    gradients are of one size.

    Args:
        updates: that a player has taken, any shape; 0 counts as 1.
        beta_1: momentum, in [0, 1), a shape that fits.
    """
    return ((1 - beta_1) / (1 + beta_1) / updates.clamp(min=1)).sqrt()


def relative_rates(rates: Tensor, weights: Tensor, parameters: Tensor) -> Tensor:
    """Learning rates over the root mean square of the weights that they move.

    Args:
        rates: learning rates of G and of D, [N, 2].
        weights: norms of their weights, [N, 2].
        parameters: how many weights they have, [N, 2].
    """
    return rates * parameters.sqrt() / weights


def apart(upper: Tensor, lower: Tensor, stats: TrainStats) -> Tensor:
    """How far two mean logits are apart, in units of the logits' spread, [N]; of real and fake it is d'."""
    spread = ((stats.logit_spread_real.square() + stats.logit_spread_fake.square()) / 2).sqrt()
    return (upper - lower) / (spread + TINY)


def _shares(stats: TrainStats) -> Tensor:
    """Those of G and of D, [N, 2], by the logits of the last interval."""
    ahead = apart(stats.logit_real, stats.logit_fake, stats)
    share_g = (SHARE_G * power(1 + ahead.abs(), POWER * ahead.sign())).clamp(LEAST_G, MOST_G)
    return torch.stack([share_g, torch.full_like(share_g, SHARE_D)], dim=1)


def balanced_rate(stats: TrainStats, ages: Tensor) -> Tensor:
    """The learning rates of G and of D over the rms of their weights that the rule `steady_walk` wants, [N, 2].

    See docs/step_size.md. Adafactor (Shazeer & Stern 2018, arXiv:1804.04235) has such a relative step for each tensor.

    Args:
        stats: of the last interval.
        ages: updates that G and D have taken, [N, 2].
    """
    return _shares(stats) / (ages + AGE).sqrt()


def limited_rate(stats: TrainStats, ages: Tensor) -> Tensor:
    """Those that the rule `limited_walk` wants; arguments as of `balanced_rate`, and an age of 0 counts as 1."""
    return (_shares(stats) / ages.clamp(min=1).sqrt()).clamp(max=LARGEST)


WANTED = {"balanced": balanced_rate, "limited": limited_rate}
"""Unit of learning rates -> what the rule of that unit wants."""
RULES = {"balanced": "steady_walk", "limited": "limited_walk"}
"""Unit of learning rates -> the rule that it is named by."""
BY_RULE = {RULES[unit]: wanted for unit, wanted in WANTED.items()}
"""Rule by which an environment may set the learning rates, its option `rates` -> what the rule wants."""


def measured(moment: Moment, unit: str) -> Tensor:
    """How large G's and D's steps are, [N, 2], in the unit of an action mode or of a rule.

    In a unit in `WANTED` that is the learning rate over the one that its rule wants now; else |update| / |weights|, as
    it was in the last interval.
    """
    if unit in WANTED:
        return moment.relative_rates / WANTED[unit](moment.stats, moment.ages)
    return torch.stack([moment.stats.step_g, moment.stats.step_d], dim=1)
