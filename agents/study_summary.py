"""A study in numbers: everything that the report shows, computed from the saved episodes. Crashed runs always count."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from agents.readout import RATES_REPLAY, REPLAY
from agents.study import BEST, SCHEDULE_KINDS, Study
from agents.study_options import BASE, HELD_OUT
from baselines.intervals import iqm, mean, performance_profile, probability_of_improvement, stratified
from baselines.rollout import Episodes
from baselines.run_summary import roughness, updates_to_target
from gan_env.config import env_config, to_dict
from gan_env.mdp.instances import InstanceSet

Floats = NDArray[np.float64]
COLLAPSED = np.log(0.5)
"""A run has collapsed when its samples' spread is less than half of the data's, in logarithm."""
WORST = 5
PROFILE_POINTS = 60
FEATURES = ("lr_g", "lr_d", "lr_d / lr_g", "num_samples", "batch_size", "width", "beta_1")


def summarize_study(study: Study) -> dict[str, Any]:
    """All numbers of a study; its cells must be done.

    Returns:
        `name`, `metric`, `sizes`, `learned` (see `best_on_training`), its `base`, `best_schedule`, `strongest` (the
        tuned schedule that is best on training instances), `target`, `notes`, `settings` (by setting: `policies`,
        `profiles`), `ablations`, `break_even` and `failures`. A policy's `against` has its gain over each tuned
        schedule but `best_schedule`, which `gain` is over.
    """
    learned, strongest = best_on_training(study), strongest_schedule(study)
    played = {setting: gather(study, setting) for setting in (HELD_OUT, *study.options.settings)}
    settings = {setting: summarize_setting(study, setting, episodes, learned) for setting, episodes in played.items()}
    env = study.env(study.options.changed_env({"split": "test"}))
    tuned = study.tuned("schedule")
    return {
        "metric": env.judge.metric_name,
        "name": study.path.name,
        "sizes": {
            "instances": study.options.instances,
            "gan_seeds": study.options.gan_seeds,
            "decisions": env.config.num_decisions,
            "updates_per_run": env.config.num_decisions * env.config.updates_per_decision,
        },
        "learned": learned,
        "base": study.options.active[learned].base,
        "strongest": strongest,
        "target": study.options.target,
        "notes": list(study.options.notes),
        "best_schedule": {"policy": tuned.policy, "trials": tuned.trials, "gan_updates": tuned.gan_updates},
        "settings": settings,
        "ablations": ablations(study, settings[HELD_OUT]["policies"], played[HELD_OUT]),
        "break_even": break_even(settings[HELD_OUT]["policies"], learned),
        "failures": failures(study, played[HELD_OUT], learned),
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
    """The tuned schedule with the lowest mean final log metric on training instances."""
    schedules = [name for name, kind in study.opponents.items() if kind in SCHEDULE_KINDS]
    return min(schedules, key=lambda name: float(study.on_training(name).final.mean()))


def gather(study: Study, setting: str) -> dict[str, list[Episodes]]:
    """Every policy's episodes in a setting, a list entry a training seed."""
    found: dict[str, list[Episodes]] = {}
    for entry in study.entries(setting):
        found.setdefault(entry.name, []).append(study.episodes(setting, entry))
    if setting == HELD_OUT and study.options.oracle_runs:
        found["oracle"] = [study.oracle()]
    return found


def arranged(columns: list[NDArray[Any]], instances: int) -> Floats:
    """A number an episode, [E] a training seed -> [S, I, G]; episodes go through all instances once a GAN seed."""
    return np.stack([np.asarray(c, np.float64).reshape(-1, instances).T for c in columns])


def summarize_setting(study: Study, setting: str, played: dict[str, list[Episodes]], learned: str) -> dict[str, Any]:
    """All policies of a setting: `policies` (a row each) and `profiles` of the most important ones."""
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
        for key, other in (("feedback", name + REPLAY), ("feedback_beyond_rates", name + RATES_REPLAY)):
            if other in finals:
                row[key] = compare_with(finals[name], finals[other])
        row["against"] = {
            other: compare_with(finals[name], finals[other])
            for other, kind in study.opponents.items()
            if kind in SCHEDULE_KINDS and other in finals and other not in (BEST, name)
        }
        controller = study.options.active.get(name)
        row["trained"] = controller is not None
        row["ablation"] = controller is not None and controller.varies is not None
        row["trained_elsewhere"] = controller is not None and bool(controller.training)
        row["saved"] = {
            other: stratified(np.minimum(reached[other], budget) - np.minimum(reached[name], budget), mean)
            for other in ("fixed", BEST, "tuned_rates")
            if other in reached
        }
        if "oracle" in finals:
            row["against_oracle"] = compare_with(finals[name], finals["oracle"])
        rows[name] = row | costs(study, setting, name, len(parts))
    shown = [name for name in (learned, learned + REPLAY, BEST, "tuned_rates", "oracle", "fixed") if name in finals]
    pooled = np.concatenate([finals[name].ravel() for name in shown])
    low, high = np.quantile(pooled, [0.01, 0.99])
    thresholds = np.linspace(low, high, PROFILE_POINTS)
    profiles = {name: performance_profile(finals[name], thresholds) for name in shown}
    plain = study.env(
        study.options.changed_env(study.options.setting(setting).env, {"split": "test"}), size * gan_seeds
    )
    metric = plain.judge.metric_name
    return {"metric": metric, "policies": rows, "profiles": {"thresholds": thresholds.tolist(), "policies": profiles}}


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


def compare_with(scores: Floats, opponent: Floats) -> dict[str, Any]:
    """Paired `gain` (mean difference, above 0: better), and `probability` of improvement: [S, I, G] each.

    The gain has a second interval, `over_instances`: with the instances drawn anew as well, as if others were met; and
    `by_training`, [S].
    """
    gain = np.broadcast_to(opponent, np.broadcast_shapes(opponent.shape, scores.shape)) - scores
    others = stratified(gain.mean(axis=2, keepdims=True), mean)["ci95"]
    found = stratified(gain, mean) | {"over_instances": others, "by_training": gain.mean(axis=(1, 2)).tolist()}
    return {"gain": found, "probability": probability_of_improvement(scores, opponent)}


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
        if all(name in e.extras for e in parts)
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


def costs(study: Study, setting: str, name: str, seeds: int) -> dict[str, Any]:
    """What finding the policy took (`found_gan_updates`, `found_wall_s`, `found_peak_mb`) and what playing it takes.

    A read-out took its controller's training; for the oracle, which tries all schedules again, nothing is said.
    """
    kinds = study.opponents
    controller = name.removesuffix(RATES_REPLAY).removesuffix(REPLAY)
    found: list[dict[str, Any]] = []
    if controller in study.options.active:
        found = [study.train(controller, study.options.active[controller], seed) for seed in range(seeds)]
    elif name in kinds:
        found = [{"gan_updates": study.tuned(kinds[name]).gan_updates} | study.costs(f"tuning-{kinds[name]}")]
    elif owner := study.options.active.get(name.removesuffix(BASE)):
        base = study.base(name.removesuffix(BASE), owner)
        assert base is not None
        found = [{"gan_updates": base.gan_updates} | study.costs(f"{name.removesuffix(BASE)}-{owner.base}")]
    play = [study.costs(f"{setting}-{name}{suffix}") for suffix in ("", *(f"-{s}" for s in range(seeds)))]
    walls = [p["wall_s"] for p in play if p]
    result: dict[str, Any] = {"play_wall_s": float(np.mean(walls)) if walls else None}
    for key in ("gan_updates", "wall_s", "peak_mb"):
        values = [f[key] for f in found if key in f]
        unknown = None if found or name == "oracle" else 0.0
        result[f"found_{key}"] = float(np.mean(values)) if values else unknown
    return result


def ablations(study: Study, rows: dict[str, dict[str, Any]], played: dict[str, list[Episodes]]) -> list[dict[str, Any]]:
    """Each ablation against what it varies, and controllers beside others, over the training seeds that both have.

    A `gain` above 0: better than that.
    """
    size, found = study.options.instances, []
    for name, controller in study.options.active.items():
        other = controller.varies or controller.beside
        if other not in played or name not in played:
            continue
        pair = list(zip(played[name], played[other], strict=False))
        mine, theirs = (arranged([e.final for e in side], size) for side in zip(*pair, strict=True))
        found.append(
            {
                "name": name,
                "varies": other,
                "seeds": len(pair),
                "iqm": rows[name]["iqm"],
                **compare_with(mine, theirs),
            }
        )
    return found


def break_even(rows: dict[str, dict[str, Any]], learned: str) -> dict[str, Any]:
    """After how many runs training the controller has paid for itself, in GAN updates.

    A run saves what the controller needs less than the opponent to reach the metric that the tuned schedule ends at
    (a run that never reaches it counts with the whole budget). Null: the interval of what it saves isn't above 0.
    """
    found = {}
    for name, saved in rows[learned]["saved"].items():
        extra = rows[learned]["found_gan_updates"] - rows[name]["found_gan_updates"]
        runs = max(0, int(np.ceil(extra / saved["value"]))) if saved["ci95"][0] > 0 else None
        found[name] = {"saved_per_run": saved, "extra_training": extra, "runs": runs}
    return found


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
