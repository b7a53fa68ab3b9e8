"""Annealing schedules: pure functions of progress, and `AnnealedScheduler`, which checks what they are called with."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gan_env.errors import require

Floats = NDArray[np.float64]


def _step(t: Floats, a: float, b: float, k: float) -> Floats:
    """`k` equal plateaus from `a` to `b`, each the same factor from the last."""
    index = np.minimum(np.floor(t * round(k) + 1e-9), round(k) - 1)
    return a * (b / a) ** (index / (round(k) - 1))


SCHEDULES: dict[str, Callable[[Floats, float, float, float], Floats]] = {
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


class AnnealedScheduler:
    """An annealing schedule between two values, falling or rising.

    Args:
        schedule_type: "fixed", "linear", "exponential", "cosine", "power" or "step".
        decay_rate: the exponent of "power" (default 2) or the number of plateaus of "step" (default 4).
        until: share of the run in (0, 1] within which the schedule runs; from then on the final value is held.

    Raises:
        ConfigError: an unknown type, or a decay rate or share out of range.

    Example:
        >>> AnnealedScheduler("linear").get_value(epoch=5, total_epochs=10, initial=1.0, final=0.0)
        0.5
    """

    def __init__(self, schedule_type: str, decay_rate: float | None = None, until: float = 1.0) -> None:
        require(schedule_type in SCHEDULES, "schedule_type", schedule_type, f"one of {sorted(SCHEDULES)}")
        self.schedule_type = schedule_type
        self.decay_rate = DECAY_RATES.get(schedule_type, 1.0) if decay_rate is None else decay_rate
        require(0 < self.decay_rate < math.inf, "decay_rate", decay_rate, "more than 0, finite")
        plateaus = schedule_type != "step" or round(self.decay_rate) >= 2
        require(plateaus, "decay_rate", decay_rate, "at least 2 plateaus")
        require(0 < until <= 1, "until", until, "a share of the run, more than 0 and at most 1")
        self.until = until

    def get_value(self, epoch: float, total_epochs: float, initial: float, final: float) -> float:
        """The value after `epoch` of `total_epochs`: `initial` at 0, `final` at the share `until` of them and after.

        Raises:
            ConfigError: an end that is not finite, or in a geometric schedule not positive; no epochs.
        """
        require(total_epochs > 0, "total_epochs", total_epochs, "more than 0")
        return float(self.values(epoch / total_epochs, initial, final))

    def values(self, progress: ArrayLike, initial: float, final: float) -> Floats:
        """The values at shares of the run in [0, 1], any shape; outside it the ends are held."""
        finite = math.isfinite(initial) and math.isfinite(final)
        require(finite, "initial, final", (initial, final), "two finite ends")
        if self.schedule_type in _POSITIVE:
            ends = f"two positive ends for a {self.schedule_type} schedule (linear, cosine and power take zero)"
            require(initial > 0 and final > 0, "initial, final", (initial, final), ends)
        t = np.clip(np.asarray(progress, np.float64) / self.until, 0, 1)
        return SCHEDULES[self.schedule_type](t, initial, final, self.decay_rate)
