"""A study in numbers: everything that the report shows, computed from the saved episodes. Crashed runs always count."""

from collections.abc import Container
from typing import Any

import numpy as np

from agents.study.costs import break_even, costs
from agents.study.failures import failures
from agents.study.options import BASE, BEST, HELD_OUT
from agents.study.oracle import oracle_pool
from agents.study.readout import RATES_REPLAY, REPLAY, read_outs
from agents.study.scores import arranged, compare_with, gather, run_row, score_row, updates_needed
from agents.study.study import Study
from gan_env.config import env_config
from gan_env.evaluation.intervals import performance_profile
from gan_env.evaluation.rollout import Episodes

PROFILE_POINTS = 60
OWN = {"feedback": REPLAY, "feedback_beyond_rates": RATES_REPLAY, "over_base": BASE}
"""What a controller is compared with that comes of it, or that it comes of: suffixes of the names."""


def summarize_study(study: Study) -> dict[str, Any]:
    """All numbers of a study; its cells must be done.

    Returns:
        `name`, `metric`, `sizes`, `learned` (see `best_on_training`), its `base`, `best_schedule` (of its tunings the
        one that ended best), `strongest` (the tuned schedule that is best on training instances), `by_tuning` (the
        gain of `learned` over each single tuning of that), `target`, `notes`, `oracle` (its `candidates`, and the
        `runs` of each in its first round), `settings` (by setting: `policies`, `profiles`), `ablations`, `break_even`
        and `failures`. A policy's `against` has its gain over each tuned schedule that plays in the setting, bases
        among them, but for `best_schedule`, which `gain` is over.
    """
    learned, strongest = best_on_training(study), strongest_schedule(study)
    played = {setting: gather(study, setting) for setting in (HELD_OUT, *study.options.settings)}
    settings = {
        setting: summarize_setting(study, setting, episodes, learned, strongest) for setting, episodes in played.items()
    }
    env = study.env(study.options.changed_env({"split": "test"}))
    tuned = min((study.tuned("schedule", seed) for seed in range(study.tunings[BEST])), key=lambda found: found.score)
    updates = env.config.num_decisions * env.config.updates_per_decision
    here, rows = played[HELD_OUT], settings[HELD_OUT]["policies"]
    rivals = paid_back_by(study, learned, strongest, here)
    return {
        "metric": env.judge.metric_name,
        "name": study.path.name,
        "sizes": {
            "instances": study.options.instances,
            "gan_seeds": study.options.gan_seeds,
            "decisions": env.config.num_decisions,
            "updates_per_run": updates,
        },
        "learned": learned,
        "base": study.options.active[learned].base,
        "strongest": strongest,
        "by_tuning": by_tuning(here[learned], here[strongest], study.options.instances),
        "target": study.options.target,
        "notes": list(study.options.notes),
        "best_schedule": {"policy": tuned.policy, "trials": tuned.trials, "gan_updates": tuned.gan_updates},
        "oracle": {"candidates": len(oracle_pool(study)), "runs": study.options.oracle_runs},
        "settings": settings,
        "ablations": ablations(study, rows, here),
        "break_even": break_even(here, rows, learned, rivals, study.options.instances, updates),
        "failures": failures(study, here, learned, strongest),
    }


def best_on_training(study: Study) -> str:
    """The main controller with the lowest mean final log metric on training instances: no test run decides it.

    It is one of those with the most training seeds: what fewer trainings say is less sure.
    """
    scores: dict[str, list[float]] = {}
    for name, seed in study.mains:
        scores.setdefault(name, []).append(float(study.on_training(name, seed).final.mean()))
    most = max(map(len, scores.values()))
    return min((name for name in scores if len(scores[name]) == most), key=lambda name: float(np.mean(scores[name])))


def strongest_schedule(study: Study) -> str:
    """The tuned schedule with the lowest mean final log metric on training instances; it may be a controller's base."""

    def score(name: str) -> float:
        return float(np.mean([study.on_training(name, seed).final.mean() for seed in range(study.tunings[name])]))

    return min(study.schedules, key=score)


def paid_back_by(study: Study, learned: str, strongest: str, played: Container[str]) -> list[str]:
    """Opponents for which it is said when training the learned policy has paid for itself.

    None for MAML: as it plays, it also unrolls GAN updates at every decision, which are not among those that it saves.
    """
    if study.options.active[learned].script == "maml":
        return []
    return [name for name in dict.fromkeys(("fixed", BEST, "tuned_rates", strongest)) if name in played]


def by_tuning(mine: list[Episodes], theirs: list[Episodes], instances: int) -> list[dict[str, Any]]:
    """The gain over each single tuning of an opponent, in their order: the mean over them may hide a strong one."""
    finals = arranged([e.final for e in mine], instances)
    return [compare_with(finals, arranged([e.final], instances))["gain"] for e in theirs]


def summarize_setting(
    study: Study, setting: str, played: dict[str, list[Episodes]], learned: str, strongest: str
) -> dict[str, Any]:
    """All policies of a setting: `policies` (a row each), and `profiles` of all but ablations, some to be `drawn`."""
    size, gan_seeds = study.size(setting)
    config = env_config(**study.options.changed_env(study.options.setting(setting).env))
    budget = config.num_decisions * config.updates_per_decision
    finals = {name: arranged([e.final for e in parts], size) for name, parts in played.items()}
    against = finals[BEST]
    target = np.tile(against.mean(axis=(0, 2)), gan_seeds)  # [E]: what the tuned schedule ends at
    reached = {name: arranged(updates_needed(parts, target, budget), size) for name, parts in played.items()}
    rows = {}
    for name, parts in played.items():
        row = run_row(parts, reached[name], budget)
        row |= score_row(finals[name], size, parts)
        row |= compare_with(finals[name], against)
        for key, suffix in OWN.items():
            if (other := name + suffix) in finals:
                row[key] = compare_with(finals[name], finals[other], paired=True)
        row["against"] = {
            other: compare_with(finals[name], finals[other])
            for other in study.schedules
            if other in finals and other not in (BEST, name)
        }
        controller = study.options.active.get(name)
        row["trained"] = controller is not None
        row["ablation"] = controller is not None and controller.varies is not None
        row["trained_elsewhere"] = controller is not None and bool(controller.training)
        if "oracle" in finals:
            row["against_oracle"] = compare_with(finals[name], finals["oracle"])
        rows[name] = row | costs(study, setting, name, len(parts))
    usual = (learned, *read_outs(learned, rows)[:1], BEST, "tuned_rates", strongest, "oracle", "fixed")
    drawn = [name for name in dict.fromkeys(usual) if name in finals]
    low, high = np.quantile(np.concatenate([finals[name].ravel() for name in drawn]), [0.01, 0.99])
    thresholds = np.linspace(low, high, PROFILE_POINTS)
    profiles = {n: performance_profile(finals[n], thresholds) for n, row in rows.items() if not row["ablation"]}
    plain = study.env(
        study.options.changed_env(study.options.setting(setting).env, {"split": "test"}), size * gan_seeds
    )
    metric = plain.judge.metric_name
    shown = {"thresholds": thresholds.tolist(), "drawn": drawn, "policies": profiles}
    return {"metric": metric, "policies": rows, "profiles": shown}


def ablations(study: Study, rows: dict[str, dict[str, Any]], played: dict[str, list[Episodes]]) -> list[dict[str, Any]]:
    """Each ablation against what it varies, and controllers beside others, over all trainings of both.

    A `gain` above 0: better than that. `seeds`: trainings of the one and of the other.
    """
    size, found = study.options.instances, []
    for name, controller in study.options.active.items():
        other = controller.varies or controller.beside
        if other not in played or name not in played:
            continue
        mine, theirs = (arranged([e.final for e in played[side]], size) for side in (name, other))
        found.append(
            {
                "name": name,
                "varies": other,
                "seeds": (len(mine), len(theirs)),
                "iqm": rows[name]["iqm"],
                **compare_with(mine, theirs),
            }
        )
    return found
