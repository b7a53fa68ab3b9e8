"""Sizes of updates, |update| / |weights|, and the units in which policies ask for them."""

import torch
from torch import Tensor

from gan_env.records import STILL, Moment, TrainStats

TINY = 1e-9
"""Added to both sides of a ratio, below any size that matters, so that it does not depend on their scale."""
SHARES, POWER = (0.08, 0.6), 4.0
"""What the rule `steady_walk` wants of G and of D where d' is 0, in units of a random walk's step; and the power of
1 + d' that multiplies G's."""
MOST, LOST, SPREAD, WHILE_LOST = 1.0, 1.5, 0.9, 2.0
"""What G's grows to at most, and by which factor at most where G is broken: where d' is at least LOST although the
logits on fake spread at least SPREAD times as widely as those on real."""
CAP, DRIVE = 0.05, 0.5
"""The most that |update| / |weights| of a player is aimed at; and the least that a step counts as, in full steps."""


def walk_step(updates: Tensor, beta_1: Tensor) -> Tensor:
    """|update| / |weights| of a random walk: sqrt((1 - beta_1) / (1 + beta_1)) / sqrt(updates).

    Adam divides gradients by their size. Where they are noise and the learning rate is constant, each weight changes by
    lr sqrt((1 - beta_1) / (1 + beta_1)) an update, and is about lr sqrt(t) after t updates, once it has outgrown its
    first value: the ratio does not depend on lr. To hold s times as much, lr has to change as t^((s^2 - 1) / 2): it
    falls where s is below 1 and grows for ever where s is above. With momentum in the place of Adam the ratio is the
    same as long as gradients are of one size.

    Args:
        updates: that a player has taken, any shape; 0 counts as 1.
        beta_1: momentum, in [0, 1), a shape that fits.
    """
    return ((1 - beta_1) / (1 + beta_1) / updates.clamp(min=1)).sqrt()


def full_step(rates: Tensor, weights: Tensor, parameters: Tensor, beta_1: Tensor) -> Tensor:
    """|update| / |weights| of Adam where gradients are noise of one size: lr sqrt(n (1 - beta_1) / (1 + beta_1)) / |w|.

    Adam divides gradients by the size of those before. Where they have become smaller, so are its steps, and they are
    full again as soon as gradients are.

    Args:
        rates: learning rates of G and of D, [N, 2].
        weights: norms of their weights, [N, 2].
        parameters: how many weights they have, [N, 2].
        beta_1: momentum, in [0, 1), a shape that fits.
    """
    return rates * (parameters * (1 - beta_1) / (1 + beta_1)).sqrt() / weights


def apart(upper: Tensor, lower: Tensor, stats: TrainStats) -> Tensor:
    """How far two mean logits are apart, in units of the logits' spread, [N]; of real and fake it is d'."""
    spread = ((stats.logit_spread_real.square() + stats.logit_spread_fake.square()) / 2).sqrt()
    return (upper - lower) / (spread + TINY)


def balanced_step(stats: TrainStats, walk: Tensor) -> Tensor:
    """|update| / |weights| that the rule `steady_walk` wants of G and of D, [N, 2]; see docs/step_size.md.

    The policy `steady_walk` (`gan_env.policies.step_size` with `balanced`) holds steps to it, and so does the action 0
    of the mode "balanced".

    Args:
        stats: of the last interval.
        walk: `walk_step` of G and of D, [N, 2].
    """
    ahead = apart(stats.logit_real, stats.logit_fake, stats)
    broken = (ahead >= LOST) & (stats.logit_spread_fake >= SPREAD * stats.logit_spread_real)
    share_g = SHARES[0] * (1 + ahead.abs()) ** (POWER * ahead.sign())
    share_g = torch.minimum(share_g, torch.where(broken, WHILE_LOST * SHARES[0], MOST))
    return (walk * torch.stack([share_g, torch.full_like(share_g, SHARES[1])], dim=1)).clamp(max=CAP)


def measured(moment: Moment, mode: str) -> Tensor:
    """The sizes of G's and of D's steps, [N, 2], in the unit of an action mode.

    In the mode "balanced" that is `balanced_step`, and a step that moves anything counts as at least `DRIVE` of a full
    one.
    """
    steps = torch.stack([moment.stats.step_g, moment.stats.step_d], dim=1)
    if mode != "balanced":
        return steps
    counted = torch.where(steps > STILL, torch.maximum(steps, DRIVE * moment.full), steps)
    return counted / balanced_step(moment.stats, moment.walk)
