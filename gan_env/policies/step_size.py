"""A rule for learning rates: hold the size of a player's steps, |update| / |weights|, to a schedule.

A learning rate means nothing before one knows the network: 1e-3 is much for small weights and little for large ones,
and Adam's step depends on its momentum and the noise of the gradient as well. What a step does to the weights can be
measured in any loop. LARS (You et al. 2017, arXiv:1708.03888) and LAMB (arXiv:1904.00962) fix it for each layer; "about
1e-3" is an old rule of thumb. Here each player has one, and it has a schedule.

As a network ages, a step of the same size takes ever larger learning rates. A share of a random walk's step
(`gan_env.mdp.steps.walk_step`) below 1 takes ever smaller ones, as long as gradients are mostly noise.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gan_env.errors import require
from gan_env.mdp.knobs import RATES
from gan_env.mdp.steps import LOST, SPREAD, WHILE_LOST
from gan_env.policies.steering import Steerable, Steering, step_of
from gan_env.policies.tables import TablePolicy, Values, require_positive
from gan_env.records import FLOOR, STILL, Float32, Float64


@dataclass(frozen=True)
class StepSizeRule:
    """Constants of the rule.

    Attributes:
        walk: whether steps, and so targets and `largest`, are in units of a random walk's
            (`gan_env.mdp.steps.walk_step`).
        gain: share of the distance to the target, in logarithms, that one decision closes, in (0, 1].
        start_g, start_d: factors on the learning rates until something was measured.
        separation_g, separation_d: the powers of 1 + d' that multiply the targets of G and of D, where d' is the number
            of standard deviations between the discriminator's mean logits on real and on fake. 0: the logits play no
            part.
        largest: the largest target that they may raise a player's to. With `walk`, one above 1 takes a rate that grows
            for ever.
        lost: from this d' on a generator is taken for broken if the logits on its samples spread widely, too.
        cap: no target is above this |update| / |weights|, with `walk` as well; None: no such cap.
        drive: a step counts as at least this share of a full one (`gan_env.mdp.steps.full_step`), so that no rate rises
            in vain while gradients are small, as when D tells all samples apart; it would be too high once they are
            back.
    """

    walk: bool = False
    gain: float = 0.5
    start_g: float = 1.0
    start_d: float = 1.0
    separation_g: float = 0.0
    separation_d: float = 0.0
    largest: float = 0.05
    lost: float = LOST
    cap: float | None = None
    drive: float = 0.0

    def __post_init__(self) -> None:
        require(0 < self.gain <= 1, "policy.rule.gain", self.gain, "more than 0 and at most 1")
        for name in ("largest", "lost"):
            require(getattr(self, name) > 0, f"policy.rule.{name}", getattr(self, name), "more than 0")
        require(self.drive >= 0, "policy.rule.drive", self.drive, "0 or more")
        require(self.cap is None or self.cap > 0, "policy.rule.cap", self.cap, "more than 0, or null")

    @property
    def unit(self) -> str:
        """What steps are measured as, see `gan_env.policies.steering.step_of`."""
        return "walk" if self.walk else "step"

    def observed(self, rates: Collection[str]) -> list[str]:
        """The statistics that these rates depend on."""
        raised = any(self.power(rate) for rate in RATES if rate in rates)
        units = dict.fromkeys((self.unit, *(("step",) if self.cap else ()), *(("drive",) if self.drive else ())))
        steps = [step_of(rate, unit) for unit in units for rate in RATES if rate in rates]
        return [*steps, *(("separation", "variety") if raised else ())]

    def power(self, rate: str) -> float:
        """The power of 1 + d' in the target of a player, "lr_g" or "lr_d"."""
        return float(getattr(self, rate.replace("lr", "separation")))


def start_constant(rate: str) -> str:
    """The constant of the rule that says where a knob starts: "start_g" of "lr_g"."""
    return rate.replace("lr", "start")


class StepSizePolicy(TablePolicy):
    """Holds the step sizes of the players to schedules; its other knobs follow theirs, whatever happens.

    The whole rule, of either player with a schedule, once a decision:

        step = the root mean square of |update| / |weights| since the last decision
        and at least DRIVE times what it would be if gradients were noise of one size
        with WALK, step = step / (sqrt((1 - beta_1) / (1 + beta_1)) / sqrt(t)), after t updates of the player
        lr = lr * (target / step) ** GAIN
        and as long as nothing was measured: lr = START * (the rate that the run was given);
        where the weights did not move at all, lr stays

    A player's target is the value of its schedule. With SEPARATION, one for each player, steps are larger the further D
    is ahead, which is seen from the mean logits on real and on fake, d' standard deviations apart:

        planned = schedule(progress)
        target = planned * (1 + d') ** SEPARATION, where d' < 0: planned / (1 - d') ** SEPARATION
        at most LARGEST, or planned if that is larger; where d' >= LOST and the standard deviation of the logits on fake
        is 0.9 of that on real or more, at most 2 * planned: such a generator is broken, and larger steps make it worse
        in the end at most CAP, as a size of steps themselves

    It has no memory: the rate's factor is read back from the knob's coordinate. Factors end at the knob's bounds, and
    in delta mode a knob moves by at most `max_change` of its range; what is left, the next decision sees as a distance.

    Args:
        env: what is acted in.
        values: of each knob during each interval, [T]; those of `lr_g` and `lr_d` are targets of `step`.
        rule: the constants.

    Raises:
        ConfigError: there is a target for neither rate, one is not above 0, a start is outside a knob's bounds, or the
            environment does not observe the steps (with WALK in its unit), or, with SEPARATION, how far apart logits
            are.
    """

    def __init__(self, env: Steerable, values: Values, rule: StepSizeRule) -> None:
        targets = {name: column for name, column in values.items() if name in RATES}
        expected = "targets of |update| / |weights|, finite numbers above 0"
        for name, column in targets.items():
            require_positive(f"policy.knobs.{name}", column, expected)
        self.targets = {name: np.log10(column) for name, column in targets.items()}
        require(bool(self.targets), "policy.knobs", list(values), f"a target for one of {list(RATES)} at least")
        starts = {name: getattr(rule, start_constant(name)) for name in self.targets}
        held = {name: np.full(env.config.num_decisions, start) for name, start in starts.items()}
        super().__init__(env, values | held)
        self.rule, self.knobs = rule, env.knobs.controlled
        self.steering = Steering(env, ["progress", *rule.observed(self.targets)])

    def wanted(self, observation: Float32, decision: NDArray[np.int64]) -> Float32:
        """The coordinates [N, K] for these decisions [N]."""
        coordinates, now = super().wanted(observation, decision), self.steering.coordinates(observation)
        measured = self.steering.value(observation, "progress") > 0
        for column, knob in enumerate(self.knobs):
            if knob.name in self.targets:
                step = self.steering.value(observation, step_of(knob.name, self.rule.unit))
                target = self.targets[knob.name][decision]
                if self.rule.power(knob.name):
                    target = self.raised(knob.name, target, observation)
                if self.rule.cap is not None:
                    unit = self.steering.value(observation, step_of(knob.name, "step")) / step
                    target = np.minimum(target, np.log10(self.rule.cap / unit))
                counted = step
                if self.rule.drive:
                    share = self.steering.value(observation, step_of(knob.name, "drive"))
                    counted = step * np.maximum(1, self.rule.drive / share)
                distance = target - np.log10(counted)
                factor = knob.decode(torch.from_numpy(now[:, column].astype(np.float64))).numpy()
                moved = knob.encode(torch.from_numpy(factor * 10 ** (self.rule.gain * distance))).numpy()
                moved = np.where(step > FLOOR + STILL, moved, now[:, column])
                coordinates[:, column] = np.where(measured, moved, coordinates[:, column])
        return coordinates

    def raised(self, rate: str, planned: Float64, observation: Float32) -> Float64:
        """A target as D is ahead: decimal logarithms [N] from those of the schedule."""
        separation, variety = (self.steering.read(observation, name) for name in ("separation", "variety"))
        lost = (separation >= np.log1p(self.rule.lost)) & (variety >= np.log10(SPREAD))  # separation is log(1 + d')
        limit = np.where(lost, planned + np.log10(WHILE_LOST), np.maximum(planned, np.log10(self.rule.largest)))
        return np.asarray(np.minimum(planned + self.rule.power(rate) * np.log10(np.e) * separation, limit))
