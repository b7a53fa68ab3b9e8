"""Statistics of results: interquartile mean, bootstrap intervals, gain and probability of improvement.

After Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice" (arXiv:2108.13264).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gan_env.errors import needs, require
from gan_env.records import Floats

RESAMPLES = 2000
FEW = 10
"""Of fewer instances, or runs of a single one, intervals are far too narrow (tests/baselines/test_verdict.py)."""


def few_warning(drawn: int, what: str = "instances") -> list[str]:
    """The line that a table ends with if few instances, or few runs of a single one, were drawn; else no line."""
    text = f"Few {what}, {drawn}: intervals are too narrow, verdicts too sure. Play at least {FEW}."
    return [text] if drawn < FEW else []


def iqm(values: Floats) -> Floats:
    """Mean of the middle half along the last axis: [..., n] -> [...].

    It is the mean of the quantile function between 1/4 and 3/4: where n is not a multiple of 4, the values at the
    quartiles count in part. So it is the same for any n; intervals need that, as samples are smaller than the scores.
    """
    cut = values.shape[-1] / 4
    outside = int(cut)  # values on either side that don't count at all
    ends = (outside, values.shape[-1] - outside - 1)
    middle = np.partition(values, ends, axis=-1)[..., ends[0] : ends[1] + 1]
    total = middle.sum(axis=-1) - (cut - outside) * (middle[..., 0] + middle[..., -1])
    return np.asarray(total / (2 * cut))


def bootstrap_interval(values: Floats, statistic: Callable[[Floats], Floats], seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of `statistic` (along the last axis) over resampled `values` [n]."""
    picks = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    return percentile_interval(statistic(values[picks]))


def percentile_interval(samples: ArrayLike) -> tuple[float, float]:
    """The ends of the middle 95 % of the samples [B]."""
    low, high = np.quantile(np.asarray(samples), [0.025, 0.975])
    return float(low), float(high)


def summarize(values: ArrayLike) -> dict[str, Any]:
    """`n`, `iqm` and its 95 % interval `ci95` of scores [n]."""
    values = np.asarray(values)
    return {"n": len(values), "iqm": float(iqm(values)), "ci95": bootstrap_interval(values, iqm)}


# --- studies: training seeds x instances x GAN seeds ---
#
# Scores come as [S, I, G]: S trainings or tunings of a policy (1 where there was none), I instances, G GAN seeds an
# instance. Instances are the strata, as tasks are in rliable: `ci95` resamples GAN seeds within each of them, and
# holds for these instances alone. `over_instances` also resamples the instances, with all of their runs, and holds for
# new ones of the same distribution: verdicts rest on it. All trainings, of a policy and of its opponent, meet the
# same GAN seeds, so one resample serves all trainings; whole trainings are resampled.


def resampled(scores: Floats, seed: int = 0, trainings: int | None = None) -> Floats:
    """Stratified bootstrap samples: [S, I, G] -> [RESAMPLES, S', I, G'].

    With the same `seed` the same GAN seeds are drawn; `trainings` is another seed for the draw of the trainings.

    Of n, n - 1 are drawn with replacement, S' = S - 1 and G' = G - 1: with few seeds, drawing n would make intervals
    too narrow, by the root of 1 - 1/n (Rao and Wu 1988, JASA 83:231). A single training stays as it is. Where an
    instance has a single run, instances are drawn in its place.
    """
    seeds, instances, runs = scores.shape
    rng, places = np.random.default_rng(seed), np.arange(instances)[:, None]
    if runs == 1:
        places = rng.integers(instances, size=(RESAMPLES, 1, max(instances - 1, 1), 1))
    drawn = rng.integers(runs, size=(RESAMPLES, 1, places.shape[-2], max(runs - 1, 1)))
    rng = rng if trainings is None else np.random.default_rng(trainings)
    trained = rng.integers(seeds, size=(RESAMPLES, max(seeds - 1, 1), 1, 1))
    return np.asarray(scores[trained, places, drawn])


def stratified(scores: Floats, statistic: Callable[[Floats], Floats]) -> dict[str, Any]:
    """`value` of a statistic (along the last axis) over all runs of [S, I, G], and its 95 % interval `ci95`."""
    samples = resampled(scores)
    return {
        "value": float(statistic(scores.reshape(-1))),
        "ci95": percentile_interval(statistic(samples.reshape(len(samples), -1))),
    }


def stratified_gain(scores: Floats, opponent: Floats, paired: bool = False, seed: int = 0) -> dict[str, Any]:
    """How much lower (better) scores are than an opponent's on average.

    Args:
        scores: of the policy, [S, I, G].
        opponent: of the opponent, [S', I, G]: the same instances and GAN seeds.
        paired: whether training s of one belongs to training s of the other; else each is resampled by itself.
        seed: of the bootstrap.

    Returns:
        `value`, and two 95 % intervals: `ci95` over GAN seeds and trainings, `over_instances` over instances as well.

    Raises:
        ConfigError: the arrays are of other shapes.
    """
    _require_same_runs(scores.shape, opponent.shape)

    def interval(mine: Floats, theirs: Floats) -> tuple[float, float]:
        drawn = resampled(mine, seed), resampled(theirs, seed, trainings=None if paired else seed + 1)
        return percentile_interval(drawn[1].mean(axis=(1, 2, 3)) - drawn[0].mean(axis=(1, 2, 3)))

    by_instance = (x.mean(axis=2, keepdims=True) for x in (scores, opponent))  # one run each: instances are resampled
    value = float(opponent.mean() - scores.mean())
    return {"value": value, "ci95": interval(scores, opponent), "over_instances": interval(*by_instance)}


def _require_same_runs(mine: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    fits = len(mine) == 3 and mine[1:] == theirs[1:]
    expected = "[trainings, instances, GAN seeds] of both, with the same instances and GAN seeds"
    require(fits, "shapes of the scores and of the opponent's", (mine, theirs), expected)


def t_interval(scores: Floats, opponent: Floats, paired: bool = False) -> tuple[float, float] | None:
    """A 95 % interval of `stratified_gain` by Welch's t-test of the means of trainings and tunings, or a paired one.

    A bootstrap of two or three trainings is too narrow; this takes account of how few they are, and of nothing else: a
    single training has no spread. None where there is one of each.
    """
    means = [opponent.mean(axis=(1, 2)), scores.mean(axis=(1, 2))]
    value = float(means[0].mean() - means[1].mean())
    several = [x for x in ([means[0] - means[1]] if paired else means) if len(x) > 1]
    errors = [x.var(ddof=1) / len(x) for x in several]
    if not several or not sum(errors):
        return (value, value) if several else None
    with needs("study"):
        from scipy.stats import t as student
    freedom = sum(errors) ** 2 / sum(e**2 / (len(x) - 1) for e, x in zip(errors, several, strict=True))
    reach = float(student.ppf(0.975, freedom) * np.sqrt(sum(errors)))
    return value - reach, value + reach


def probability_of_improvement(scores: Floats, opponent: Floats, seed: int = 0) -> dict[str, Any]:
    """How probably a run of the policy is better (lower) than one of the opponent on the same instance.

    As in rliable: all pairs of runs of an instance (Mann and Whitney's U, ties count half), then the mean over the
    instances. Both are resampled. Arguments and result are those of `stratified_gain`; the opponent's number of GAN
    seeds may be another one where both are more than one.
    """
    several = scores.shape[2:] != (1,) != opponent.shape[2:]
    _require_same_runs(scores.shape, (*opponent.shape[:2], *scores.shape[2:]) if several else opponent.shape)
    other = seed + 1 if opponent.shape[2] > 1 else seed  # with one run, both resample the same instances
    samples = resampled(scores, seed), resampled(opponent, other, trainings=seed + 2)
    better = _better(scores[None], opponent[None])[0]
    return {
        "value": float(better.mean()),
        "ci95": percentile_interval(_better(*samples).mean(axis=(1, 2, 3))),
        "over_instances": percentile_interval(_resampled_means(better, seed)),
    }


def _better(scores: Floats, opponent: Floats) -> Floats:
    """[B, S, I, G] and [B, S', I, G'] -> [B, S, S', I]: the share of pairs of runs that are better; ties count half."""
    mine, theirs = scores[:, :, None], opponent[:, None]
    runs = opponent.shape[3]
    wins = sum((mine < theirs[..., i, None]) + 0.5 * (mine == theirs[..., i, None]) for i in range(runs))
    return np.asarray(np.mean(wins / runs, axis=-1))


def _resampled_means(better: Floats, seed: int) -> Floats:
    """Means of [S, S', I] over resampled trainings, tunings and instances, n - 1 of n: [B]."""
    rng = np.random.default_rng(seed)
    s, t, i = (rng.integers(n, size=(RESAMPLES, max(n - 1, 1))) for n in better.shape)
    return np.asarray(better[s[:, :, None, None], t[:, None, :, None], i[:, None, None, :]].mean(axis=(1, 2, 3)))
