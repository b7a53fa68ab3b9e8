"""A rule for learning rates: hold the size of a player's steps, |update| / |weights|, to a schedule.

A learning rate means nothing before one knows the network: 1e-3 is much for small weights and little for large ones,
and Adam's step depends on its momentum and the noise of the gradient as well. What a step does to the weights can be
measured in any loop. LARS (You et al. 2017, arXiv:1708.03888) and LAMB (arXiv:1904.00962) fix it for each layer; "about
1e-3" is an old rule of thumb. Here each player has one, and it has a schedule.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gan_env.errors import require
from gan_env.mdp.knobs import RATES
from gan_env.policies.steering import Floats, Steerable, Steering, step_of
from gan_env.policies.tables import TablePolicy, Values
from gan_env.records import FLOOR, STILL

WHILE_LOST = 2.0
"""What G's target is at most of its schedule's value while D tells real from fake with ease: then G is far off, or
broken by steps that were too large, and larger ones make it no better."""


@dataclass(frozen=True)
class StepSizeRule:
    """Constants of the rule.

    Attributes:
        gain: share of the distance to the target, in logarithms, that one decision closes, in (0, 1].
        start_g, start_d: factors on the learning rates until something was measured.
        separation: the power of 1 + d' that multiplies G's target, where d' is the number of standard deviations
            between the discriminator's mean logits on real and on fake. 0: the logits play no part.
        largest: the largest target that the logits may raise G's to, while d' is below `lost`.
        lost: from this d' on, G's target is at most twice its schedule's value.
    """

    gain: float = 0.5
    start_g: float = 1.0
    start_d: float = 1.0
    separation: float = 0.0
    largest: float = 0.05
    lost: float = 2.0

    def __post_init__(self) -> None:
        require(0 < self.gain <= 1, "policy.rule.gain", self.gain, "more than 0 and at most 1")
        for name in ("largest", "lost"):
            require(getattr(self, name) > 0, f"policy.rule.{name}", getattr(self, name), "more than 0")

    def observed(self, rates: Collection[str]) -> list[str]:
        """The statistics, besides sizes of steps, that targets of these rates depend on."""
        return ["separation"] if self.separation and "lr_g" in rates else []


def start_of(rate: str) -> str:
    """The constant of the rule that says where a knob starts: "start_g" of "lr_g"."""
    return rate.replace("lr", "start")


class StepSizePolicy(TablePolicy):
    """Holds the step sizes of the players to schedules; its other knobs follow theirs, whatever happens.

    The whole rule, of either player with a schedule, once a decision:

        step = the root mean square of |update| / |weights| since the last decision
        lr = lr * (target / step) ** GAIN
        and as long as nothing was measured: lr = START * (the rate that the run was given);
        where the weights did not move at all, lr stays

    A player's target is the value of its schedule. With SEPARATION, G takes larger steps the further D is ahead, which
    is seen from the mean logits on real and on fake, d' standard deviations apart:

        target = schedule(progress) * (1 + d') ** SEPARATION, where d' < 0: schedule(progress) / (1 - d') ** SEPARATION
        at most LARGEST, or the schedule's value if that is larger; where d' is LOST or more, at most twice that value

    It has no memory: the rate's factor is read back from the knob's coordinate. Factors end at the knob's bounds, and
    in delta mode a knob moves by at most `max_change` of its range; what is left, the next decision sees as a distance.

    Args:
        env: what is acted in.
        values: of each knob during each interval, [T]; those of `lr_g` and `lr_d` are targets of |update| / |weights|.
        rule: the constants.

    Raises:
        ConfigError: there is a target for neither rate, one is not above 0, a start is outside a knob's bounds, or the
            environment does not observe the steps or, with SEPARATION, how far logits are apart.
    """

    def __init__(self, env: Steerable, values: Values, rule: StepSizeRule) -> None:
        self.targets = {name: np.log10(_positive(name, v)) for name, v in values.items() if name in RATES}
        require(bool(self.targets), "policy.knobs", list(values), f"a target for one of {list(RATES)} at least")
        starts = {name: getattr(rule, start_of(name)) for name in self.targets}
        held = {name: np.full(env.config.num_decisions, start) for name, start in starts.items()}
        super().__init__(env, values | held)
        self.rule, self.knobs = rule, env.knobs.controlled
        self.steering = Steering(env, ["progress", *map(step_of, self.targets), *rule.observed(self.targets)])

    def wanted(self, observation: Floats, decision: NDArray[np.int64]) -> Floats:
        """The coordinates [N, K] for these decisions [N]."""
        coordinates, now = super().wanted(observation, decision), self.steering.coordinates(observation)
        measured = self.steering.value(observation, "progress") > 0
        for column, knob in enumerate(self.knobs):
            if knob.name in self.targets:
                step = self.steering.value(observation, step_of(knob.name))
                target = self.targets[knob.name][decision]
                if "separation" in self.rule.observed([knob.name]):
                    target = self.raised(target, self.steering.read(observation, "separation"))
                distance = target - np.log10(step)
                factor = knob.decode(torch.from_numpy(now[:, column].astype(np.float64))).numpy()
                moved = knob.encode(torch.from_numpy(factor * 10 ** (self.rule.gain * distance))).numpy()
                moved = np.where(step > FLOOR + STILL, moved, now[:, column])
                coordinates[:, column] = np.where(measured, moved, coordinates[:, column])
        return coordinates

    def raised(self, target: NDArray[np.float64], separation: Floats) -> NDArray[np.float64]:
        """G's target as D is ahead: decimal logarithms [N] from those of the schedule; `separation` is log(1 + d')."""
        lost = separation >= np.log1p(self.rule.lost)
        limit = np.where(lost, target + np.log10(WHILE_LOST), np.maximum(target, np.log10(self.rule.largest)))
        return np.asarray(np.minimum(target + self.rule.separation * np.log10(np.e) * separation, limit))


def _positive(name: str, targets: NDArray[np.float64]) -> NDArray[np.float64]:
    fits = bool((np.isfinite(targets) & (targets > 0)).all())
    require(fits, f"policy.knobs.{name}", targets.tolist(), "targets of |update| / |weights|, finite numbers above 0")
    return targets
