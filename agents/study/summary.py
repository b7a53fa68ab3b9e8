"""A study in numbers: everything that the report shows, computed from the saved episodes. Crashed runs always count."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.study.failures import failures
from agents.study.options import BEST, HELD_OUT
from agents.study.play import gather
from agents.study.readout import RATES_REPLAY, REPLAY, SUFFIXES, controller_of
from agents.study.records import Ablation, BreakEven, Comparison, Cost, Estimate, Profile, Row, SettingSummary, Summary
from agents.study.scores import Floats, arranged, compare, finals, gain_over, updates_needed
from agents.study.study import Study
from gan_env.config import env_config, to_dict
from gan_env.evaluation.intervals import iqm, performance_profile, stratified
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.run_summary import roughness

PROFILE_POINTS = 60
COLLAPSED = np.log(0.5)
"""A run has collapsed when its samples' spread is less than half of the data's, in logarithm."""
Played = Mapping[str, Sequence[Episodes]]


def summarize_study(study: Study) -> Summary:
    """All numbers of a study; its cells must be done."""
    learned, strongest = best_on_training(study), strongest_schedule(study)
    played = {setting: gather(study, setting) for setting in (HELD_OUT, *study.options.settings)}
    settings = {
        setting: summarize_setting(study, setting, parts, (learned, strongest)) for setting, parts in played.items()
    }
    here, rows, size = played[HELD_OUT], settings[HELD_OUT].rows, study.options.instances
    mine, updates = finals(here[learned], size), _updates_per_run(study, HELD_OUT)
    paid_by = paid_back_by(study, learned, strongest, here)
    return Summary(
        name=study.path.name,
        metric=settings[HELD_OUT].metric,
        instances=size,
        gan_seeds=study.options.gan_seeds,
        updates_per_run=updates,
        learned=learned,
        strongest=strongest,
        tuning={k: v for k, v in to_dict(study.opponent(BEST, best_tuning(study, BEST))).items() if v},
        by_tuning=tuple(gain_over(mine, finals([one], size)) for one in here[strongest]),
        target=study.options.target,
        notes=study.options.notes,
        settings=settings,
        ablations=ablations(study, rows, here),
        break_even=break_even(here, rows, learned, paid_by, size, updates),
        failures=failures(study, here, learned, strongest),
    )


# --- choices: by the log metric on training instances, never by a test run or a score ---


def best_on_training(study: Study) -> str:
    """The controller with the lowest mean final log metric on training instances, ablations left out.

    It is one of those with the most training seeds: what fewer trainings say is less sure.
    """
    found: dict[str, list[float]] = {}
    for name, seed in study.main_trainings:
        found.setdefault(name, []).append(_on_training(study, name, seed))
    most = max(map(len, found.values()))
    return min((name for name in found if len(found[name]) == most), key=lambda name: float(np.mean(found[name])))


def strongest_schedule(study: Study) -> str:
    """The tuned schedule with the lowest mean final log metric on training instances, over its tunings."""

    def metric(name: str) -> float:
        return float(np.mean([_on_training(study, name, seed) for seed in range(study.tunings[name])]))

    return min(study.schedules, key=metric)


def best_tuning(study: Study, name: str) -> int:
    """The tuning of an opponent with the lowest mean final log metric on training instances."""
    return min(range(study.tunings[name]), key=lambda seed: _on_training(study, name, seed))


def _on_training(study: Study, name: str, seed: int) -> float:
    return float(study.on_training(name, seed).validation.mean())


# --- a setting ---


def summarize_setting(study: Study, setting: str, played: Played, chosen: tuple[str, str]) -> SettingSummary:
    """All policies of a setting, and profiles of the most telling ones, the two `chosen` ones among them."""
    size, gan_seeds = study.size(setting)
    budget = _updates_per_run(study, setting)
    scores = {name: finals(parts, size) for name, parts in played.items()}
    target = np.tile(scores[BEST].mean(axis=(0, 2)), gan_seeds)  # [E]: what the tuned schedule ends at
    rows = {
        name: _row(study, setting, name, parts, scores, np.concatenate(updates_needed(parts, target, budget)))
        for name, parts in played.items()
    }
    learned, strongest = chosen
    usual = (learned, learned + REPLAY, learned + RATES_REPLAY, BEST, "tuned_rates", strongest, "oracle", "fixed")
    drawn = [name for name in dict.fromkeys(usual) if name in scores]
    low, high = np.quantile(np.concatenate([scores[name].ravel() for name in drawn]), [0.01, 0.99])
    thresholds = np.linspace(low, high, PROFILE_POINTS)
    profiles = {
        name: Profile(**{k: tuple(v) for k, v in performance_profile(scores[name], thresholds).items()})
        for name in drawn
    }
    env = study.env(
        study.options.changed_env(study.options.setting(setting).env, {"split": "test"}), len(study.runs(setting)[0])
    )
    return SettingSummary(env.judge.metric_name, rows, tuple(thresholds.tolist()), profiles)


def _row(
    study: Study, setting: str, name: str, parts: Sequence[Episodes], scores: Mapping[str, Floats], reached: Floats
) -> Row:
    """A policy's row; `scores` are those of all policies, `reached` are its updates to the target, [S * E]."""
    mine, size = scores[name], study.size(setting)[0]
    controller = study.options.active.get(name)
    by_seed = tuple(float(iqm(one.ravel())) for one in mine)
    crashed = np.concatenate([e.crashed for e in parts])
    collapse = np.concatenate([_last(e.extras["collapse"]) for e in parts])
    rivals = [other for other in (*study.schedules, "oracle") if other in scores and other != name]
    read_outs = [suffix for suffix in SUFFIXES if name + suffix in scores]
    return Row(
        trained=controller is not None,
        ablation=controller is not None and controller.varies is not None,
        seeds=len(mine),
        runs=mine.size,
        validation=float(np.mean([e.validation.mean() for e in parts])),
        iqm=Estimate(**stratified(mine, iqm)),
        best=Estimate(**stratified(arranged([e.score.min(axis=1) for e in parts], size), iqm)),
        by_seed=by_seed,
        spread_over_seeds=float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None,
        spread_over_gan_seeds=float(np.sqrt(mine.var(axis=2, ddof=1).mean())) if mine.shape[2] > 1 else None,
        crashes=int(crashed.sum()),
        collapsed=float((~crashed & (collapse < COLLAPSED)).mean()),
        reached_target=float(np.isfinite(reached).mean()),
        updates_to_target=float(np.minimum(reached, _updates_per_run(study, setting)).mean()),
        roughness_loss_d=_mean_roughness(parts, "loss_d"),
        roughness_loss_g=_mean_roughness(parts, "loss_g"),
        against={other: compare(mine, scores[other]) for other in rivals},
        against_read_out={suffix: compare(mine, scores[name + suffix], paired=True) for suffix in read_outs},
        found=cost_of_finding(study, name, len(parts)),
        played=cost_of_playing(study, setting, name, len(parts)),
    )


def _updates_per_run(study: Study, setting: str) -> int:
    config = env_config(**study.options.changed_env(study.options.setting(setting).env))
    return config.num_decisions * config.updates_per_decision


def _mean_roughness(parts: Sequence[Episodes], loss: str) -> float | None:
    values = np.concatenate([roughness(e.extras[loss]) for e in parts])
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def _last(column: NDArray[Any]) -> NDArray[Any]:
    """The last entry of each row that is a number, [N]."""
    known = ~np.isnan(column)
    place = column.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.asarray(column[np.arange(len(column)), place])


# --- costs ---


def cost_of_finding(study: Study, name: str, seeds: int) -> Cost:
    """What one training or tuning took, in the mean; a read-out took its controller's training."""
    controller, kind = controller_of(name), study.opponents.get(name)
    if controller in study.options.active:
        return _mean_cost([study.train(controller, seed) for seed in range(seeds)])
    if kind is None or kind in study.committed:
        return Cost()
    return _mean_cost(
        study.costs(f"tuning-{name}-{seed}") | {"gan_updates": study.tune(kind, seed).gan_updates}
        for seed in range(seeds)
    )


def cost_of_playing(study: Study, setting: str, name: str, seeds: int) -> Cost:
    """What all runs of a policy in a setting took, in the mean over its trainings or tunings."""
    return _mean_cost(study.costs(f"{setting}-{name}{suffix}") for suffix in ("", *(f"-{s}" for s in range(seeds))))


def _mean_cost(measured: Iterable[Mapping[str, Any]]) -> Cost:
    found = list(measured)

    def mean(key: str) -> float | None:
        values = [one[key] for one in found if key in one]
        return float(np.mean(values)) if values else None

    return Cost(mean("gan_updates"), mean("wall_s"), mean("peak_mb"))


def paid_back_by(study: Study, learned: str, strongest: str, played: Container[str]) -> list[str]:
    """Opponents for which it is said when training the learned policy has paid for itself.

    None for MAML: as it plays, it also unrolls GAN updates at every decision, which are not among those that it saves.
    """
    if study.options.active[learned].script == "maml":
        return []
    return [name for name in dict.fromkeys(("fixed", BEST, "tuned_rates", strongest)) if name in played]


def break_even(
    played: Played, rows: Mapping[str, Row], learned: str, opponents: Iterable[str], instances: int, budget: int
) -> dict[str, BreakEven]:
    """After how many runs training the controller has paid for itself, in GAN updates, by opponent.

    A run saves what the controller needs less than the opponent to reach the score that this opponent ends at on the
    instance, in the mean over its runs. A run that never reaches it counts with the whole budget.
    """
    found = {}
    mine = finals(played[learned], instances)
    for name in opponents:
        theirs = finals(played[name], instances)
        gain = gain_over(mine, theirs)
        target = np.tile(theirs.mean(axis=(0, 2)), theirs.shape[2])  # [E]
        fast, slow = (
            np.minimum(arranged(updates_needed(played[who], target, budget), instances), budget)
            for who in (learned, name)
        )
        saved = gain_over(fast, slow)
        extra = (rows[learned].found.gan_updates or 0.0) - (rows[name].found.gan_updates or 0.0)
        pays = saved.verdict > 0 and gain.verdict >= 0
        runs = max(0, int(np.ceil(extra / saved.value))) if pays else None
        found[name] = BreakEven(gain, saved, extra, runs)
    return found


def ablations(study: Study, rows: Mapping[str, Row], played: Played) -> tuple[Ablation, ...]:
    """Each ablation against what it varies, and controllers beside others, over all trainings of both."""
    size, found = study.options.instances, []
    for name, controller in study.options.active.items():
        other = controller.varies or controller.beside or ""
        if other in played and name in played:
            mine, theirs = (finals(played[side], size) for side in (name, other))
            comparison: Comparison = compare(mine, theirs)
            found.append(Ablation(name, other, (len(mine), len(theirs)), rows[name].iqm, comparison))
    return tuple(found)
