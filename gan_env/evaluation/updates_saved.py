"""How much earlier a policy is as good as an opponent becomes: updates saved, as a share of the run."""

from typing import Any

import numpy as np

from gan_env.evaluation.intervals import percentile_interval
from gan_env.records import Float64

RESAMPLES = 1000


def updates_saved(scores: Float64, opponent: Float64) -> dict[str, Any]:
    """The share of a run that is left when a policy's mean score is the opponent's mean final score.

    Args:
        scores: of the policy, from the untrained generator to the end, means over the runs of an instance, [I, T + 1].
        opponent: of the opponent, likewise.

    Returns:
        `value`, 0 where the policy never gets there, and its 95 % interval for new instances, `over_instances`.
    """
    count = len(scores)
    picks = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    drawn = [share_left(scores[pick].mean(axis=0), float(opponent[pick, -1].mean())) for pick in picks]
    value = share_left(scores.mean(axis=0), float(opponent[:, -1].mean()))
    return {"value": value, "over_instances": percentile_interval(drawn)}


def share_left(curve: Float64, target: float) -> float:
    """The share of a run that is left when its curve [T + 1] first comes to the target, joined by lines; else 0.

    Example:
        >>> share_left(np.array([4.0, 2.0, 1.0]), 3.0)
        0.75
    """
    there = curve <= target
    if not there.any():
        return 0.0
    after = int(there.argmax())
    if after == 0:
        return 1.0
    part = (curve[after - 1] - target) / (curve[after - 1] - curve[after])
    return float(1 - (after - 1 + part) / (len(curve) - 1))
