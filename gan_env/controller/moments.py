"""From what a loop showed to the record that observations are computed from: the environment's own, of one row."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from gan_env.controller.clock import Clock
from gan_env.instance_lists import HYPERPARAMETERS
from gan_env.records import FLOOR, MEANS, Moment, Quality, RowSettings, TrainStats


@dataclass
class Past:
    """What is remembered of a run, [1] each; 0 where nothing was shown.

    Attributes:
        first, previous, best: log metric of the untrained generator, at the last decision and at the best.
        first_grad_d, first_grad_g: gradient norms in the first interval.
    """

    first: Tensor = field(default_factory=lambda: torch.zeros(1))
    previous: Tensor = field(default_factory=lambda: torch.zeros(1))
    best: Tensor = field(default_factory=lambda: torch.zeros(1))
    first_grad_d: Tensor = field(default_factory=lambda: torch.zeros(1))
    first_grad_g: Tensor = field(default_factory=lambda: torch.zeros(1))

    def get_state(self) -> dict[str, Tensor]:
        """A copy of all."""
        return asdict(self)

    def take(self, log_metric: Tensor) -> None:
        """Takes in a decision's log metric."""
        self.previous, self.best = log_metric, torch.minimum(self.best, log_metric)

    def begin(self, stats: TrainStats) -> None:
        """Takes in the gradient norms of an interval where none are known yet."""
        self.first_grad_d = torch.where(self.first_grad_d == 0, stats.grad_d, self.first_grad_d)
        self.first_grad_g = torch.where(self.first_grad_g == 0, stats.grad_g, self.first_grad_g)


def settings_of(context: Mapping[str, Any], losses: Sequence[str]) -> RowSettings:
    """The run's hyperparameters; those that aren't known are 1, and a loss that isn't known is the first."""
    columns = {name: [context.get(name, 1)] for name in HYPERPARAMETERS} | {"key": [1], "dataset": [0], "window": [0]}
    columns["loss"] = [losses.index(context["loss"]) if context.get("loss") in losses else 0]
    return RowSettings.of(columns, torch.device("cpu"))


def moment_of(
    means: Mapping[str, Tensor],
    past: Past,
    coordinates: Tensor,
    clock: Clock,
    settings: RowSettings,
    of_both: Mapping[str, Tensor],
) -> Moment:
    """What a decision looks at; `past` takes it in.

    Args:
        means: over the interval, [1] each; what was not shown is zero.
        past: what is remembered from before it.
        coordinates: the knobs, [1, K] in [0, 1].
        clock: before the decision.
        settings: the run's.
        of_both: what a `Moment` has of G and of D, [1, 2] each: `parameters`, `walk`, `ages` and `relative_rates`.
    """
    zero, is_first = torch.zeros(1), clock.taken == 0
    clean, held_out = (means.get(name, zero) for name in ("clean_train", "clean_held_out"))
    stats = TrainStats.untrained(clean, held_out)
    if not is_first:
        stats = TrainStats.of_means({name: means.get(name, zero) for name in MEANS}, clean, held_out, stats.finite)
    past.begin(stats)
    log_metric, collapse = (  # an unbiased estimate of a distance may be negative
        torch.log(means[name].clamp(min=0) + FLOOR) if name in means else zero for name in ("metric", "spread")
    )
    if is_first:
        past.first = past.previous = past.best = log_metric
    moment = Moment(
        stats,
        Quality(log_metric, log_metric, collapse, extras={}),
        coordinates=coordinates,
        progress=torch.tensor([clock.progress]),
        previous=past.previous,
        best=past.best,
        first=past.first,
        first_grad_d=past.first_grad_d,
        first_grad_g=past.first_grad_g,
        limit=torch.full((1,), torch.inf),
        settings=settings,
        updates=torch.tensor([float(clock.total)]),
        left=torch.tensor([clock.decisions - clock.taken]),
        **of_both,
    )
    past.take(log_metric)
    return moment
