"""The scores of policies that played in a study, and how two of them compare. Crashed runs always count."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.study.options import HELD_OUT
from agents.study.oracle import play_oracle
from agents.study.play import entries, episodes
from agents.study.study import Study
from gan_env.evaluation.intervals import iqm, probability_of_improvement, stratified, stratified_gain, t_interval
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.run_summary import roughness, updates_to_target

Floats = NDArray[np.float64]
COLLAPSED = np.log(0.5)
"""A run has collapsed when its samples' spread is less than half of the data's, in logarithm."""


def gather(study: Study, setting: str) -> dict[str, list[Episodes]]:
    """Every policy's episodes in a setting, a list entry a training or tuning."""
    found: dict[str, list[Episodes]] = {}
    for entry in entries(study, setting):
        found.setdefault(entry.name, []).append(episodes(study, setting, entry))
    if setting == HELD_OUT and study.options.oracle_runs:
        found["oracle"] = [play_oracle(study)]
    return found


def arranged(columns: list[NDArray[Any]], instances: int) -> Floats:
    """A number an episode, [E] a training or tuning -> [S, I, G]; episodes go through all instances once a GAN seed."""
    return np.stack([np.asarray(c, np.float64).reshape(-1, instances).T for c in columns])


def score_row(final: Floats, instances: int, parts: list[Episodes]) -> dict[str, Any]:
    """Final and best metric, and how trainings differ, and runs of one training on one instance."""
    best = arranged([e.log_metric.min(axis=1) for e in parts], instances)
    by_seed = [float(iqm(one.ravel())) for one in final]
    middle = stratified(final, iqm)
    return {
        "iqm": middle["value"],
        "ci95": middle["ci95"],
        "mean": float(final.mean()),
        "best": stratified(best, iqm),
        "seeds": len(final),
        "n": final.size,
        "by_seed": by_seed,
        "spread_over_seeds": float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None,
        "spread_over_gan_seeds": float(np.sqrt(final.var(axis=2, ddof=1).mean())) if final.shape[2] > 1 else None,
    }


def compare_with(scores: Floats, opponent: Floats, paired: bool = False) -> dict[str, Any]:
    """`gain` (mean difference, above 0: better), and `probability` of improvement: [S, I, G] against [S', I, G].

    The gain has further intervals: `t95`, by a t-test of trainings and tunings, of which there are few, and
    `over_instances`, with the instances drawn anew as well, as if others were met; and `by_training`, [S]. `paired`:
    training s is compared with training s, as of what comes of it.
    """
    rivals = (opponent if paired else opponent.mean(axis=0)).mean(axis=(-2, -1))
    by_training = (rivals - scores.mean(axis=(1, 2))).tolist()
    gain = stratified_gain(scores, opponent, paired) | {"t95": t_interval(scores, opponent, paired)}
    return {"gain": gain | {"by_training": by_training}, "probability": probability_of_improvement(scores, opponent)}


def updates_needed(parts: list[Episodes], target: Floats, budget: int) -> list[Floats]:
    """GAN updates until each run was at its target [E], infinite where it never was: [E] a training seed."""
    return [updates_to_target(e.log_metric, target, 1) * budget / e.rewards.shape[1] for e in parts]


def run_row(parts: list[Episodes], reached: Floats, budget: int) -> dict[str, Any]:
    """How the runs went: crashes, collapses, updates to the target, smoothness of the losses."""
    crashed = np.concatenate([e.crashed for e in parts])
    collapse = np.concatenate([_last(e.extras["collapse"]) for e in parts])
    collapsed = ~crashed & (collapse < COLLAPSED)
    smooth = {
        f"roughness_{name}": _finite_mean(np.concatenate([roughness(e.extras[name]) for e in parts]))
        for name in ("loss_d", "loss_g")
    }
    return {
        "crashes": int(crashed.sum()),
        "crash_rate": float(crashed.mean()),
        "collapse_rate": float(collapsed.mean()),
        "reached_target": float(np.isfinite(reached).mean()),
        "updates_to_target": float(np.minimum(reached, budget).mean()),
        **smooth,
    }


def _last(column: NDArray[Any]) -> NDArray[Any]:
    """The last entry of each row that is a number, [N]."""
    known = ~np.isnan(column)
    place = column.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.asarray(column[np.arange(len(column)), place])


def _finite_mean(values: Floats) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None
