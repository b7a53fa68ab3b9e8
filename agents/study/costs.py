"""What finding and playing a study's policies costs, and when training a controller has paid for itself."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from agents.page.wording import verdict
from agents.study.readout import controller_of
from agents.study.scores import arranged, compare_with, updates_needed
from agents.study.study import Study
from gan_env.evaluation.rollout import Episodes


def costs(study: Study, setting: str, name: str, seeds: int) -> dict[str, Any]:
    """What finding the policy took (`found_gan_updates`, `found_wall_s`, `found_peak_mb`) and what playing it takes.

    A read-out took its controller's training. Null: nothing was trained or tuned, or it was not measured; for the
    oracle, which tries all schedules again, nothing is said.

    Returns:
        Means over the trainings or tunings; `play_wall_s` and `play_peak_mb` are of all runs of the setting.
    """
    controller = controller_of(name)
    found: list[dict[str, Any]] = []
    if controller in study.options.active:
        found = [study.train(controller, study.options.active[controller], seed) for seed in range(seeds)]
    elif name in study.tunings:
        tunings = [
            (study.tuning(name, seed).gan_updates, study.costs(f"tuning-{name}-{seed}")) for seed in range(seeds)
        ]
        found = [{"gan_updates": taken} | measured for taken, measured in tunings]
    play = [study.costs(f"{setting}-{name}{suffix}") for suffix in ("", *(f"-{s}" for s in range(seeds)))]
    return {
        **{f"found_{key}": _mean(found, key) for key in ("gan_updates", "wall_s", "peak_mb")},
        **{f"play_{key}": _mean(play, key) for key in ("wall_s", "peak_mb")},
    }


def _mean(measured: list[dict[str, Any]], key: str) -> float | None:
    values = [found[key] for found in measured if key in found]
    return float(np.mean(values)) if values else None


def break_even(
    played: dict[str, list[Episodes]],
    rows: dict[str, dict[str, Any]],
    learned: str,
    opponents: Iterable[str],
    instances: int,
    budget: int,
) -> dict[str, dict[str, Any]]:
    """After how many runs training the controller has paid for itself, in GAN updates, by opponent.

    A run saves what the controller needs less than the opponent to reach the metric that this opponent ends at on the
    instance, in the mean over its runs. A run that never reaches it counts with the whole budget.

    Returns:
        `gain` over the opponent, `saved_per_run`, `extra_training` and `runs`: null where the controller is shown to
        end worse, or isn't shown to save anything; see `agents.page.wording.verdict`.
    """
    found = {}
    for name in opponents:
        finals = {who: arranged([e.final for e in played[who]], instances) for who in (learned, name)}
        gain = compare_with(finals[learned], finals[name])["gain"]
        target = np.tile(finals[name].mean(axis=(0, 2)), finals[name].shape[2])  # [E]
        mine, theirs = (
            np.minimum(arranged(updates_needed(played[who], target, budget), instances), budget)
            for who in (learned, name)
        )
        saved = compare_with(mine, theirs)["gain"]
        mine_took, theirs_took = (rows[who]["found_gan_updates"] or 0.0 for who in (learned, name))
        extra = mine_took - theirs_took
        pays = verdict(saved) > 0 and verdict(gain) >= 0
        runs = max(0, int(np.ceil(extra / saved["value"]))) if pays else None
        found[name] = {"gain": gain, "saved_per_run": saved, "extra_training": extra, "runs": runs}
    return found
