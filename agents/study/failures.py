"""Failure cases: where a study's learned policy loses, and what the instances there have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from agents.study.records import Correlation, Failure, Failures, Gain
from agents.study.scores import Floats, arranged, finals, gain_over
from agents.study.study import Study
from gan_env.config import env_config, to_dict
from gan_env.evaluation.rollout import Episodes
from gan_env.mdp.instances import InstanceSet

WORST = 5
FEATURES = ("lr_g", "lr_d", "lr_d / lr_g", "num_samples", "batch_size", "width", "beta_1")


def failures(study: Study, played: Mapping[str, Sequence[Episodes]], learned: str, opponent: str) -> Failures:
    """The instances on which the learned policy loses most against an opponent, and what they have in common."""
    size = study.options.instances
    described = [to_dict(one) for one in InstanceSet(env_config(**study.options.env), "test").instances[:size]]
    mine, theirs = (finals(played[name], size) for name in (learned, opponent))
    crashes = arranged([e.crashed for e in played[learned]], size).sum(axis=(0, 2))
    gain = (theirs.mean(axis=0) - mine.mean(axis=0)).mean(axis=1)
    worst = _worst(described, mine.mean(axis=0), theirs.mean(axis=0), crashes)
    return Failures(opponent, worst, _by_dataset(described, mine, theirs), _explained(described, gain))


def _worst(described: list[dict[str, Any]], mine: Floats, theirs: Floats, crashes: Floats) -> tuple[Failure, ...]:
    """The instances with the least gain; scores are [I, G]."""
    gain, seeds = theirs - mine, mine.shape[1]
    error = gain.std(axis=1, ddof=1) / np.sqrt(seeds) if seeds > 1 else None
    return tuple(
        Failure(
            index=int(i),
            instance=described[i],
            gain=float(gain[i].mean()),
            standard_error=None if error is None else float(error[i]),
            learned=float(mine[i].mean()),
            opponent=float(theirs[i].mean()),
            crashes=int(crashes[i]),
        )
        for i in np.argsort(gain.mean(axis=1))[:WORST]
    )


def _by_dataset(described: list[dict[str, Any]], mine: Floats, theirs: Floats) -> dict[str, Gain]:
    """The gain on each data set's instances; scores are [S, I, G]."""
    names = np.array([fields["dataset"] for fields in described])
    found = {str(name): gain_over(mine[:, names == name], theirs[:, names == name]) for name in np.unique(names)}
    return dict(sorted(found.items(), key=lambda item: -item[1].value))


def _explained(described: list[dict[str, Any]], gain: Floats) -> dict[str, Correlation]:
    """How features go with the gain [I] over the instances."""
    explained = {}
    for feature in FEATURES:
        first, _, second = feature.partition(" / ")
        values = np.array([d[first] / (d[second] if second else 1) for d in described], np.float64)
        if len(gain) > 2 and np.ptp(values) > 0:
            found = spearmanr(values, gain)
            explained[feature] = Correlation(float(found.statistic), float(found.pvalue))
    return explained
