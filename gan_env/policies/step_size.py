"""A rule for learning rates: hold the size of a player's steps, |update| / |weights|, to a schedule.

A learning rate means nothing before one knows the network: 1e-3 is much for small weights and little for large ones,
and Adam's step depends on its momentum and the noise of the gradient as well. What a step does to the weights can be
measured in any loop. LARS (You et al. 2017, arXiv:1708.03888) and LAMB (arXiv:1904.00962) fix it for each layer; "about
1e-3" is an old rule of thumb. Here each player has one, and it has a schedule.

As a network ages, a step of the same size takes ever larger learning rates. The policies `steady_walk` and
`limited_walk` measure no steps: they set the learning rates in `gan_env.mdp.steps.WANTED`, which fall with age.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gan_env.errors import require
from gan_env.mdp.knobs import GAINS, RATES, decades
from gan_env.mdp.steps import WANTED
from gan_env.policies.steering import Steerable, Steering, step_of
from gan_env.policies.tables import TablePolicy, Values, require_own_rates, require_positive
from gan_env.records import FLOOR, STILL, Float32


@dataclass(frozen=True)
class StepSizeRule:
    """Constants of the rule.

    Attributes:
        unit: what targets are: "step", |update| / |weights|; or "balanced" or "limited", learning rates as multiples of
            those in `gan_env.mdp.steps.WANTED`.
        gain: share of the distance to the target, in logarithms, that one decision closes, in (0, 1]; by default that
            of the action modes of these names ("steps" for "step"), see `gan_env.mdp.knobs.GAINS`.
        start_g, start_d: factors on the learning rates until something was measured.
    """

    unit: Literal["step", "balanced", "limited"] = "step"
    gain: float | None = None
    start_g: float = 1.0
    start_d: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.closes <= 1, "policy.rule.gain", self.gain, "more than 0 and at most 1")

    @property
    def closes(self) -> float:
        """The gain in use."""
        return GAINS["steps" if self.unit == "step" else "balanced"] if self.gain is None else self.gain

    def observed(self, knobs: Collection[str]) -> list[str]:
        """The statistics that the rates among these knobs depend on; and how far D is ahead, for reports, warnings."""
        steps = [step_of(rate, self.unit) for rate in RATES if rate in knobs]
        return [*steps, *(["separation"] if self.unit in WANTED else [])]


def start_constant(rate: str) -> str:
    """The constant of the rule that says where a knob starts: "start_g" of "lr_g"."""
    return rate.replace("lr", "start")


class StepSizePolicy(TablePolicy):
    """Holds the players' step sizes, or their relative learning rates, to schedules; other knobs follow their own.

    The whole rule, of either player with a schedule, once a decision:

        step = the root mean square of |update| / |weights| since the last decision
        with a UNIT in `gan_env.mdp.steps.WANTED`, step = the learning rate over the one there, which is known at once
        lr = lr * (target / step) ** GAIN
        and as long as nothing was measured: lr = START * (the rate that was given);
        where the weights did not move at all, lr stays

    A player's target is the value of its schedule. It has no memory: the rate's factor is read back from the knob's
    coordinate. Factors end at the knob's bounds, and in delta mode a knob moves by at most `max_change` of its range;
    what is left, the next decision sees as a distance.

    Args:
        env: what is acted in.
        values: of each knob during each interval, [T]; those of `lr_g` and `lr_d` are targets of `step`.
        rule: the constants.

    Raises:
        ConfigError: there is a target for neither rate, one is not above 0, a start is outside a knob's bounds, the
            environment does not observe the steps (with such a UNIT: its group and `separation`), or its own rule sets
            the rates.
    """

    def __init__(self, env: Steerable, values: Values, rule: StepSizeRule) -> None:
        require_own_rates(env)
        targets = {name: column for name, column in values.items() if name in RATES}
        unit = "of what the rule wants" if rule.unit in WANTED else "of |update| / |weights|"
        expected = f"targets {unit}, finite numbers above 0"
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
        begun = self.steering.value(observation, "progress") > 0
        for column, knob in enumerate(self.knobs):
            if knob.name in self.targets:
                step = self.steering.value(observation, step_of(knob.name, self.rule.unit))
                distance = self.targets[knob.name][decision] - np.log10(step)
                moved = (now[:, column] + self.rule.closes * distance / decades(knob)).clip(0, 1)
                kept = np.where(begun, now[:, column], coordinates[:, column])
                coordinates[:, column] = np.where(step > FLOOR + STILL, moved, kept)
        return coordinates
