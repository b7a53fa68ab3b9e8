"""The scores of policies that played in a study, and how two of them compare. Crashed runs always count."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.study.records import Comparison, Estimate, Gain
from gan_env.evaluation.intervals import probability_of_improvement, stratified_gain, t_interval
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.run_summary import updates_to_target
from gan_env.evaluation.updates_saved import updates_saved

Floats = NDArray[np.float64]


def arranged(columns: Sequence[NDArray[Any]], instances: int) -> Floats:
    """One number per episode, [E] for each training or tuning -> [S, I, G]; `Study.runs` has the order of episodes."""
    return np.stack([np.asarray(c, np.float64).reshape(-1, instances).T for c in columns])


def finals(parts: Sequence[Episodes], instances: int) -> Floats:
    """Final scores [S, I, G], which are reported."""
    return arranged([e.final for e in parts], instances)


def gain_over(scores: Floats, opponent: Floats, paired: bool = False) -> Gain:
    """The mean difference of scores, [S, I, G] against [S', I, G]; above 0: better.

    `paired`: training s is compared with training s only, as for its read-out.
    """
    found = Estimate(**stratified_gain(scores, opponent, paired))
    rivals = (opponent if paired else opponent.mean(axis=0)).mean(axis=(-2, -1))
    return Gain(
        value=found.value,
        ci95=found.ci95,
        over_instances=found.over_instances if scores.shape[1] > 1 else None,  # one instance says nothing of others
        t95=t_interval(scores, opponent, paired),
        by_training=tuple((rivals - scores.mean(axis=(1, 2))).tolist()),
    )


def compare(scores: Floats, opponent: Floats, paired: bool = False) -> Comparison:
    """Gain and probability of improvement: [S, I, G] against [S', I, G]; see `gain_over`."""
    probability = Estimate(**probability_of_improvement(scores, opponent))
    if scores.shape[1] == 1:
        probability = replace(probability, over_instances=None)
    return Comparison(gain_over(scores, opponent, paired), probability)


def updates_needed(parts: Sequence[Episodes], target: Floats, budget: int) -> Floats:
    """GAN updates until each run's score is at its target [E], infinite where it never is: [S x E].

    Args:
        parts: episodes of each training or tuning.
        target: of each run.
        budget: GAN updates of a run.
    """
    return np.concatenate([updates_to_target(e.score, target, 1) * budget / e.rewards.shape[1] for e in parts])


def saved_over(parts: Sequence[Episodes], opponent: Sequence[Episodes], instances: int) -> Estimate:
    """The share of a run that is left when the mean score is the opponent's mean final score; 0: it never gets there.

    Its interval is for new instances.
    """
    curves = [np.mean([e.score.reshape(-1, instances, e.score.shape[1]) for e in p], (0, 1)) for p in (parts, opponent)]
    found = updates_saved(*curves)  # [I, T + 1] each
    return Estimate(found["value"], found["over_instances"])
