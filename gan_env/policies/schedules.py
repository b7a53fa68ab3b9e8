"""Annealing schedules: functions of the share of the run that has passed."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gan_env.errors import require
from gan_env.records import Float64


def _step(t: Float64, a: float, b: float, k: float) -> Float64:
    """`k` equal plateaus from `a` to `b`, each the same factor from the last."""
    index = np.minimum(np.floor(t * round(k) + 1e-9), round(k) - 1)
    return a * (b / a) ** (index / (round(k) - 1))


SCHEDULES: dict[str, Callable[[Float64, float, float, float], Float64]] = {
    "fixed": lambda t, a, b, k: np.full_like(t, a),
    "linear": lambda t, a, b, k: a + (b - a) * t,
    "exponential": lambda t, a, b, k: a * (b / a) ** t,  # Roth et al. 2017 (arXiv:1705.09367), with b / a = 0.01
    "cosine": lambda t, a, b, k: b + (a - b) * (1 + np.cos(np.pi * t)) / 2,  # Loshchilov, Hutter (arXiv:1608.03983)
    "power": lambda t, a, b, k: b + (a - b) * (1 - t) ** k,
    "step": _step,
}
"""Value at the share t of the run in [0, 1], between the initial value a and the final value b; k is the decay rate."""
DECAY_RATES = {"power": 2.0, "step": 4.0}
_POSITIVE = ("exponential", "step")


@dataclass(frozen=True)
class Anneal:
    """The schedule of one number, from one value to another, falling or rising.

    Attributes:
        kind: "fixed", "linear", "exponential", "cosine", "power" or "step".
        initial, final: the two values; "fixed" stays at the first.
        decay_rate: the exponent of "power" (default 2) or the number of plateaus of "step" (default 4).
        until: share of the run in (0, 1] within which the schedule runs; from then on the final value is held.
        since: share of the run in [0, `until`) up to which the initial value is held, as in CycleGAN's learning rates
            (Zhu et al. 2017, arXiv:1703.10593): "linear" since 0.5.

    Raises:
        ConfigError: an unknown kind, a value that is not finite (or in a geometric schedule not positive), or a decay
            rate or share out of range.

    Example:
        >>> Anneal("linear", 1.0, 0.0).values([0.0, 0.5, 1.0])
        array([1. , 0.5, 0. ])
    """

    kind: str
    initial: float
    final: float = 0.0
    decay_rate: float | None = None
    until: float = 1.0
    since: float = 0.0

    def __post_init__(self) -> None:
        require(self.kind in SCHEDULES, "kind", self.kind, f"one of {sorted(SCHEDULES)}")
        require(0 < self.rate < math.inf, "decay_rate", self.decay_rate, "more than 0, finite")
        plateaus = self.kind != "step" or round(self.rate) >= 2
        require(plateaus, "decay_rate", self.decay_rate, "at least 2 plateaus")
        require(0 < self.until <= 1, "until", self.until, "a share of the run, more than 0 and at most 1")
        expected = f"a share of the run, at least 0 and below until={self.until:g}"
        require(0 <= self.since < self.until, "since", self.since, expected)
        ends = (self.initial, self.final)
        require(all(map(math.isfinite, ends)), "initial, final", ends, "two finite ends")
        positive = f"two positive ends for a {self.kind} schedule (linear, cosine and power take zero)"
        require(self.kind not in _POSITIVE or min(ends) > 0, "initial, final", ends, positive)

    @property
    def rate(self) -> float:
        """`decay_rate`, or the kind's default."""
        return DECAY_RATES.get(self.kind, 1.0) if self.decay_rate is None else self.decay_rate

    def values(self, progress: ArrayLike) -> Float64:
        """The values at shares of the run in [0, 1], any shape; outside it the ends are held."""
        t = np.clip((np.asarray(progress, np.float64) - self.since) / (self.until - self.since), 0, 1)
        return SCHEDULES[self.kind](t, self.initial, self.final, self.rate)

    def __str__(self) -> str:
        if self.kind == "fixed":
            return f"{self.initial:g}"
        held = "" if self.since == 0 else f" since {self.since:g}"
        held += "" if self.until == 1 else f" until {self.until:g}"
        return f"{self.kind} {self.initial:g}->{self.final:g}{held}"
