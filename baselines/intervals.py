"""How results are summed up: interquartile mean, bootstrap intervals, paired differences.

After Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice" (arXiv:2108.13264).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

Floats = NDArray[Any]
RESAMPLES = 2000


def iqm(values: Floats) -> Floats:
    """Mean of the middle half along the last axis: [..., n] -> [...]."""
    return np.asarray(trim_mean(values, 0.25, axis=-1))


def bootstrap_interval(
    values: Floats, statistic: Callable[[Floats], Floats], seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of `statistic` (which works along the last axis) over resampled `values` [n]."""
    picks = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(statistic(values[picks]), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def summarize(values: Floats) -> dict[str, Any]:
    """`n`, `iqm` and its 95 % interval `ci95` of scores [n]."""
    return {"n": len(values), "iqm": float(iqm(values)), "ci95": bootstrap_interval(values, iqm)}


def paired_gain(values: Floats, opponent: Floats) -> dict[str, Any]:
    """How much lower (better) `values` are than `opponent`, run by run, [n] each.

    Returns:
        `mean` of the differences opponent - values (above 0: better), its 95 % interval `ci95`, and
        `probability_of_improvement`, the share of pairs that are better (ties count half), with `probability_ci95`.
    """
    gain = opponent - values
    better = (gain > 0) + 0.5 * (gain == 0)

    def mean(x: Floats) -> Floats:
        return np.asarray(x.mean(axis=-1))

    return {
        "mean": float(gain.mean()),
        "ci95": bootstrap_interval(gain, mean),
        "probability_of_improvement": float(better.mean()),
        "probability_ci95": bootstrap_interval(better, mean),
    }
