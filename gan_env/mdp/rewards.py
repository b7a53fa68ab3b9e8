"""The table of reward terms; a reward is their weighted sum."""

from collections.abc import Callable

import torch
from torch import Tensor

from gan_env.errors import require
from gan_env.records import Moment


def log_improvement(moment: Moment) -> Tensor:
    """Fall of the log metric in this interval: scale-free, and without discount its sum is the run's whole gain."""
    return moment.previous - moment.quality.log_metric


def improvement(moment: Moment) -> Tensor:
    """Fall of the metric itself, as a share of the untrained generator's."""
    return torch.exp(moment.previous - moment.first) - torch.exp(moment.quality.log_metric - moment.first)


def final_log(moment: Moment) -> Tensor:
    """The whole fall of the log metric, paid at the end alone."""
    return torch.where(moment.last, moment.first - moment.quality.log_metric, 0.0)


def loss_spread(moment: Moment) -> Tensor:
    """Minus the spread of both losses within the interval: stability."""
    return -(moment.stats.spread_d + moment.stats.spread_g)


def collapse(moment: Moment) -> Tensor:
    """Minus the missing diversity, 0 where samples are as varied as the data."""
    return moment.quality.collapse.clamp(max=0)


REWARDS: dict[str, Callable[[Moment], Tensor]] = {
    term.__name__: term for term in (log_improvement, improvement, final_log, loss_spread, collapse)
}


class Reward:
    """A weighted sum of reward terms.

    Args:
        weights: term -> weight.

    Raises:
        ConfigError: an unknown term.
    """

    def __init__(self, weights: dict[str, float]) -> None:
        for name in weights:
            require(name in REWARDS, "reward", name, f"one of {sorted(REWARDS)}")
        self.weights = weights

    def __call__(self, moment: Moment) -> Tensor:
        """The reward of every row, [N]."""
        return torch.stack([weight * REWARDS[name](moment) for name, weight in self.weights.items()]).sum(dim=0)
