"""The table of reward terms; a reward is their weighted sum. A crash costs more than a run can lose without one."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_env.errors import require
from gan_env.mdp.probe import require_row_by_row
from gan_env.records import FLOOR, Moment

LOWEST = math.log(FLOOR) - 1
"""Below every log metric and every collapse signal."""
LARGEST_SPREAD = 10.0
"""Both players' spread of losses counts up to this."""

Bounds = Callable[[Moment], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class RewardTerm:
    """One term of the reward.

    Attributes:
        description: what it is; m(t) is the quality metric after decision t.
        compute: its values `[N]` after a decision.
        rest: bounds on its sum from this decision to the run's end, for runs that do not crash: lowest and highest,
            `[N]` each. They must not depend on the statistics of the last interval, which may be any number.
    """

    description: str
    compute: Callable[[Moment], Tensor]
    rest: Bounds


def each_decision(low: float, high: float) -> Bounds:
    """The bounds of a term that lies between `low` and `high` at every decision."""
    return lambda m: (low * (m.left + 1), high * (m.left + 1))


REWARDS: dict[str, RewardTerm] = {
    "log_improvement": RewardTerm(
        "log m(t-1) - log m(t): scale-free; undiscounted it sums to the run's whole gain",
        lambda m: m.previous - m.quality.log_metric,
        lambda m: (m.previous - m.limit, m.previous - LOWEST),
    ),
    "improvement": RewardTerm(
        "(m(t-1) - m(t)) / m(0)",
        lambda m: torch.exp(m.previous - m.first) - torch.exp(m.quality.log_metric - m.first),
        lambda m: (torch.exp(m.previous - m.first) - torch.exp(m.limit - m.first), torch.exp(m.previous - m.first)),
    ),
    "final_log": RewardTerm(
        "log m(0) - log m(T), at the last decision T; else 0",
        lambda m: torch.where(m.last, m.first - m.quality.log_metric, 0.0),
        lambda m: (m.first - m.limit, m.first - LOWEST),
    ),
    "loss_spread": RewardTerm(
        "minus the standard deviation of both losses within the interval, at least -10",
        lambda m: -(m.stats.spread_d + m.stats.spread_g).clamp(max=LARGEST_SPREAD),
        each_decision(-LARGEST_SPREAD - 1, 0),  # beyond what is reached: a crash costs more, not as much
    ),
    "collapse": RewardTerm(
        "minus the missing diversity: log spread of the samples over that of the data, at most 0",
        lambda m: m.quality.collapse.clamp(max=0),
        each_decision(LOWEST, 0),
    ),
}


class Reward:
    """A weighted sum of reward terms, by their `weights`.

    Raises:
        ConfigError: an unknown term.
    """

    def __init__(self, weights: dict[str, float], crash_penalty: float) -> None:
        for name in weights:
            require(name in REWARDS, "reward", name, f"one of {sorted(REWARDS)}")
        self.names = list(weights)
        self.terms = [(weight, REWARDS[name]) for name, weight in weights.items()]
        self.crash_penalty = crash_penalty

    def check(self, knobs: int) -> None:
        """Raises a `ConfigError` where a term can't be computed, or isn't one value a row, of that row alone."""
        for name, (_, term) in zip(self.names, self.terms, strict=True):
            require_row_by_row(f"the reward term {name!r}", term.compute, knobs)

    def __call__(self, moment: Moment) -> Tensor:
        """The reward of every row, [N]."""
        return torch.stack([weight * term.compute(moment) for weight, term in self.terms]).sum(dim=0)

    def of_crash(self, moment: Moment, gained: Tensor) -> Tensor:
        """The reward of rows that have crashed in the interval, [N].

        The crash law: it is less than what the rest of the run, from this decision on, could bring without a crash,
        whatever the weights. It also takes back what was gained and costs the penalty. Losses are not refunded, or
        crashing could pay. With the default reward the two agree.
        Of the `moment`, only values from before the interval count; `gained` [N] is the sum of the rewards so far.
        """
        rest = [(weight * low, weight * high) for weight, term in self.terms for low, high in (term.rest(moment),)]
        worst = torch.stack([torch.minimum(*ends) for ends in rest]).sum(dim=0)
        return torch.minimum(worst, -self.crash_penalty - gained.clamp(min=0))
