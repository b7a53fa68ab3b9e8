"""The best of k runs: what somebody gets who tunes k times, and how many tuning runs one controlled run is worth.

Runs are chosen by their final log metric, which is what somebody who tunes sees, and judged by their score, which is
not. Lower is better. Curves are exact: the expectation over which k of all runs somebody would have made, drawn without
replacement. Bands are simultaneous over k, by a bootstrap over instances (Studentised maximum).
"Expected best of k" is of Dodge et al. 2019 (arXiv:1909.03004), the estimator without bias of Tang et al. 2020
(arXiv:2004.13705).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_env.errors import require
from gan_env.records import Float64

RESAMPLES = 2000


def best_of(validation: Float64, score: Float64) -> Float64:
    """Expected score of the run with the lowest `validation` among k of n that are drawn without replacement.

    Args:
        validation: what runs are chosen by, [n].
        score: what is reported of the chosen one, [n].

    Returns:
        For k = 1, ..., n: [n].
    """
    count = len(score)
    ranked = score[np.argsort(validation, kind="stable")]
    chances, expected = np.arange(1, count + 1) / count, np.zeros(count)  # that the run of rank 0 is the best of k
    for rank in range(count):
        expected += chances * ranked[rank]
        left = count - rank - 1
        chances = chances * np.maximum(left - np.arange(count), 0) / max(left, 1)
    return expected


def running_best(validation: Float64, score: Float64) -> Float64:
    """Score of the run with the lowest `validation` among the first k, [n]: for runs whose order matters."""
    lowest = np.minimum.accumulate(validation)
    first = np.maximum.accumulate(np.where(validation == lowest, np.arange(len(score)), 0))
    return np.asarray(score[first])


def by_cost(curve: Float64, cost: float, most: int) -> Float64:
    """A curve over numbers of results, [n], as one over numbers of runs that they cost: [most].

    Args:
        curve: after 1, ..., n results.
        cost: runs that a result costs: 1 where each run is one, 8 where a population of 8 gives one.
        most: the largest number of runs, K.

    Returns:
        For k = 1, ..., K; NaN where k runs don't pay for a result, or for more than there are.
    """
    affordable = np.floor(np.arange(1, most + 1) / cost + 1e-9).astype(int)
    there = (affordable >= 1) & (affordable <= len(curve))
    return np.where(there, curve[np.clip(affordable, 1, len(curve)) - 1], np.nan)


@dataclass(frozen=True)
class Worth:
    """How far one controlled run is ahead of the best of k tuning runs, by k, and where they meet.

    Attributes:
        gain: mean over instances of the score of the best of k less that of a controlled run, [K]; above 0 the
            controller is ahead. NaN where k runs give no result.
        low, high: its 95 % band, simultaneous over k, [K].
        meets: the lowest k at which the mean is not ahead; None: at no k that was measured.
        at_least: one controlled run is at least as good as the best of so many tuning runs (95 %); 0: it isn't even as
            good as the first result.
        at_most: the lowest k at which the band lies below 0; None: at no k that was measured.
    """

    gain: Float64
    low: Float64
    high: Float64

    @property
    def meets(self) -> int | None:
        """See the class."""
        return _first(self.gain <= 0)

    @property
    def at_least(self) -> int:
        """See the class."""
        there = np.flatnonzero(np.isfinite(self.low))
        behind = np.flatnonzero(self.low[there] <= 0)
        ahead = there if len(behind) == 0 else there[: behind[0]]
        return int(ahead[-1]) + 1 if len(ahead) else 0

    @property
    def at_most(self) -> int | None:
        """See the class."""
        return _first(self.high < 0)

    def describe(self) -> str:
        """In a line: `24 [12, 55]`, where 12 is `at_least`; `more than 96` where they don't meet."""
        last = int(np.flatnonzero(np.isfinite(self.gain))[-1]) + 1
        meets = f"more than {last}" if self.meets is None else str(self.meets)
        return f"{meets} [{self.at_least}, {f'more than {last}' if self.at_most is None else self.at_most}]"

    def to_json(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        columns = {name: getattr(self, name) for name in ("gain", "low", "high")}
        plain = {n: [float(x) if np.isfinite(x) else None for x in column] for n, column in columns.items()}
        return {"meets": self.meets, "at_least": self.at_least, "at_most": self.at_most, **plain}


def worth(curves: Float64, controlled: Float64) -> Worth:
    """Compares the best of k tuning runs with one controlled run, over instances.

    The bootstrap draws instances with all of their runs.

    Args:
        curves: score of the best of k on each instance, [I, K]; NaN in the columns where k runs give no result.
        controlled: mean score of a controlled run on each instance, [I].

    Raises:
        ConfigError: there is a single instance, or no k with a result.
    """
    count = len(controlled)
    require(count > 1, "instances", count, "at least 2, since intervals are over instances")
    there = np.isfinite(curves).all(axis=0)  # [K]
    require(bool(there.any()), "runs", curves.shape[1], "enough for a result of every method: a bracket, a population")
    gains = curves[:, there] - controlled[:, None]  # [I, K']
    picks = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    times = np.stack([np.bincount(pick, minlength=count) for pick in picks]) / count  # [B, I]
    mean, drawn = gains.mean(axis=0), times @ gains  # [K'], [B, K']
    error = drawn.std(axis=0) + 1e-12
    reach = np.quantile((np.abs(drawn - mean) / error).max(axis=1), 0.95) * error
    found = np.full((3, curves.shape[1]), np.nan)
    found[:, there] = mean, mean - reach, mean + reach
    return Worth(*found)


def pays_after(training_runs: float, worth_runs: int) -> int | None:
    """GANs after which a controller's training, which took `training_runs` GAN runs, has paid for itself.

    One controlled run takes the place of `worth_runs` tuning runs, so each saves one less. None: never.
    """
    return None if worth_runs < 2 else int(np.ceil(training_runs / (worth_runs - 1)))


def _first(true: NDArray[np.bool_]) -> int | None:
    """The lowest k that is True, counted from 1."""
    return int(true.argmax()) + 1 if true.any() else None
