"""Failure cases: where a study's learned policy loses, and what the instances there have in common."""

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from agents.study.scores import Floats, arranged, compare_with
from agents.study.study import Study
from gan_env.config import env_config, to_dict
from gan_env.evaluation.rollout import Episodes
from gan_env.mdp.instances import InstanceSet

WORST = 5
FEATURES = ("lr_g", "lr_d", "lr_d / lr_g", "num_samples", "batch_size", "width", "beta_1")


def failures(study: Study, played: dict[str, list[Episodes]], learned: str, opponent: str) -> dict[str, Any]:
    """The instances on which the learned policy loses most against an opponent, and what they have in common.

    Returns:
        `against`: the opponent; `worst`: instances with their fields and scores; `datasets`: by data set, the best
        first, its number of `instances` and the mean `gain` on them; `explained`: by feature of an instance, Spearman's
        rank correlation with the gain, with a p-value.
    """
    size = study.options.instances
    instances = InstanceSet(env_config(**study.options.env), "test").instances[:size]
    described = [to_dict(instance) for instance in instances]
    mine, theirs = (arranged([e.final for e in played[name]], size) for name in (learned, opponent))
    crashes = arranged([e.crashed for e in played[learned]], size).sum(axis=(0, 2))
    return {
        "against": opponent,
        "worst": _worst(described, mine.mean(axis=0), theirs.mean(axis=0), crashes),
        "datasets": _by_dataset(described, mine, theirs),
        "explained": _explained(described, (theirs.mean(axis=0) - mine.mean(axis=0)).mean(axis=1)),
    }


def _worst(described: list[dict[str, Any]], mine: Floats, theirs: Floats, crashes: Floats) -> list[dict[str, Any]]:
    """The instances with the least gain; scores are [I, G]."""
    gain, seeds = theirs - mine, mine.shape[1]
    error = gain.std(axis=1, ddof=1) / np.sqrt(seeds) if seeds > 1 else None
    return [
        {
            "instance": int(i),
            **described[i],
            "gain": float(gain[i].mean()),
            "standard_error": None if error is None else float(error[i]),
            "learned": float(mine[i].mean()),
            "opponent": float(theirs[i].mean()),
            "crashes": int(crashes[i]),
        }
        for i in np.argsort(gain.mean(axis=1))[:WORST]
    ]


def _by_dataset(described: list[dict[str, Any]], mine: Floats, theirs: Floats) -> dict[str, dict[str, Any]]:
    """The gain on each data set's instances; scores are [S, I, G]."""
    names = np.array([fields["dataset"] for fields in described])
    found = {}
    for name in np.unique(names):
        there = names == name
        gain = compare_with(mine[:, there], theirs[:, there])["gain"]
        if there.sum() == 1:
            del gain["over_instances"]  # of one instance it says nothing
        found[str(name)] = {"instances": int(there.sum()), "gain": gain}
    return dict(sorted(found.items(), key=lambda item: -float(item[1]["gain"]["value"])))


def _explained(described: list[dict[str, Any]], gain: Floats) -> dict[str, dict[str, float]]:
    """How features go with the gain [I] over the instances."""
    explained = {}
    for feature in FEATURES:
        over = feature.split(" / ")
        values = np.array([d[over[0]] / (d[over[1]] if len(over) > 1 else 1) for d in described], np.float64)
        if len(gain) > 2 and np.ptp(values) > 0:
            found = spearmanr(values, gain)
            explained[feature] = {"correlation": float(found.statistic), "p": float(found.pvalue)}
    return explained
