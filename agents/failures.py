"""Failure cases: where a study's learned policy loses, and what the instances there have in common."""

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from agents.study import BEST, Study
from agents.study_scores import arranged
from baselines.rollout import Episodes
from gan_env.config import env_config, to_dict
from gan_env.mdp.instances import InstanceSet

WORST = 5
FEATURES = ("lr_g", "lr_d", "lr_d / lr_g", "num_samples", "batch_size", "width", "beta_1")


def failures(study: Study, played: dict[str, list[Episodes]], learned: str) -> dict[str, Any]:
    """The instances on which the learned policy loses most against the tuned schedule, and what they have in common.

    Returns:
        `worst`: instances with their fields and scores; `explained`: by feature of an instance, Spearman's rank
        correlation of its logarithm with the gain, with a p-value.
    """
    size = study.options.instances
    runs = {n: arranged([e.final for e in played[n]], size).mean(axis=0) for n in (learned, BEST)}  # [I, G]
    finals = {name: values.mean(axis=1) for name, values in runs.items()}  # [I]
    crashes = arranged([e.crashed for e in played[learned]], size).sum(axis=(0, 2))
    gain = finals[BEST] - finals[learned]  # [I]
    seeds = study.options.gan_seeds
    error = (runs[BEST] - runs[learned]).std(axis=1, ddof=1) / np.sqrt(seeds) if seeds > 1 else None
    instances = InstanceSet(env_config(**study.options.env), "test").instances[:size]
    described = [to_dict(instance) for instance in instances]
    worst = [
        {
            "instance": int(i),
            **described[i],
            "gain": float(gain[i]),
            "standard_error": None if error is None else float(error[i]),
            "learned": float(finals[learned][i]),
            BEST: float(finals[BEST][i]),
            "crashes": int(crashes[i]),
        }
        for i in np.argsort(gain)[:WORST]
    ]
    explained = {}
    for feature in FEATURES:
        over = feature.split(" / ")
        values = np.array([d[over[0]] / (d[over[1]] if len(over) > 1 else 1) for d in described], np.float64)
        if size > 2 and np.ptp(values) > 0:
            found = spearmanr(values, gain)
            explained[feature] = {"correlation": float(found.statistic), "p": float(found.pvalue)}
    return {"worst": worst, "explained": explained}
