"""A policy against another on the same runs: the gain, P(better), and the rule by which one is called better."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from gan_env.evaluation.intervals import probability_of_improvement, stratified_gain, t_interval
from gan_env.records import Float64

Interval = tuple[float, float]
WORDS = {1: "better", 0: "not told apart", -1: "worse"}
"""What a `Gain.verdict` is called."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % intervals.

    Attributes:
        value: the number.
        ci95: over GAN seeds and trainings or tunings, on these instances; or, where there is one interval alone, that.
        over_instances: also resamples instances, so it holds for new ones; None: not known.
    """

    value: float
    ci95: Interval
    over_instances: Interval | None = None

    def text(self, style: str = ".2f") -> str:
        """The number with its intervals, as in "0.81 [0.76, 0.87] ([0.72, 0.90])"."""

        def shown(interval: Interval) -> str:
            return f"[{interval[0]:{style}}, {interval[1]:{style}}]"

        others = f" ({shown(self.over_instances)})" if self.over_instances else ""
        return f"{self.value:{style}} {shown(self.ci95)}{others}"

    def with_one_interval(self) -> Self:
        """The same with one interval in the place of two: over new instances if known."""
        return replace(self, ci95=self.over_instances or self.ci95, over_instances=None)


@dataclass(frozen=True)
class Gain(Estimate):
    """How much lower (better) a policy's scores are than another's on average.

    Attributes:
        t95: interval by a t-test of trainings and tunings, where there are several: a bootstrap of few is too narrow.
    """

    t95: Interval | None = None

    def text(self, style: str = "+.3f") -> str:
        """As for any estimate, with a sign."""
        return super().text(style)

    @property
    def percent(self) -> tuple[float, float, float]:
        """How much lower the metric itself is in per cent, below 0: higher, and the ends of the wider interval."""
        wide = self.over_instances or self.ci95
        low, value, high = (float(-100 * np.expm1(-gain)) for gain in (wide[0], self.value, wide[1]))
        return value, low, high

    def in_percent(self) -> str:
        """The same in words, as in "21 % lower [17, 25]"."""
        value, low, high = self.percent
        if value < 0:
            value, low, high = -value, -high, -low
        return f"{round(value)} % {'lower' if self.value >= 0 else 'higher'} [{round(low)}, {round(high)}]"

    @property
    def verdict(self) -> int:
        """1 where every interval is above 0 (better), -1 where every one is below, else 0 (not told apart)."""
        known = [interval for interval in (self.ci95, self.t95, self.over_instances) if interval is not None]
        return int(all(low > 0 for low, _ in known)) - int(all(high < 0 for _, high in known))


@dataclass(frozen=True)
class Comparison:
    """A policy against another: gain in the final score, and probability that a run is better on the same instance."""

    gain: Gain
    probability: Estimate


def gain_over(scores: Float64, opponent: Float64, paired: bool = False) -> Gain:
    """The mean difference of scores, [S, I, G] against [S', I, G]; above 0: better.

    `paired`: training s is compared with training s only, as for its read-out.
    """
    found = Estimate(**stratified_gain(scores, opponent, paired))
    return Gain(
        value=found.value,
        ci95=found.ci95,
        over_instances=found.over_instances if scores.shape[1] > 1 else None,  # one instance says nothing of others
        t95=t_interval(scores, opponent, paired),
    )


def compare(scores: Float64, opponent: Float64, paired: bool = False) -> Comparison:
    """Gain and probability of improvement: [S, I, G] against [S', I, G]; see `gain_over`."""
    probability = Estimate(**probability_of_improvement(scores, opponent))
    if scores.shape[1] == 1:
        probability = replace(probability, over_instances=None)
    return Comparison(gain_over(scores, opponent, paired), probability)
