"""A study in numbers, from the saved episodes. Crashed runs always count."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.study.options import BEST, CONSTANTS, HELD_OUT
from agents.study.play import gather
from agents.study.readout import REPLAY_SUFFIX, SUFFIXES, YOKED_SUFFIX, controller_of
from agents.study.records import Cost, Failure, Row, SettingSummary, Summary
from agents.study.study import Study
from gan_env.config import env_config
from gan_env.evaluation.comparison import Estimate, compare, gain_over
from gan_env.evaluation.intervals import iqm, stratified
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.run_summary import decisions_to_target
from gan_env.evaluation.updates_saved import updates_saved
from gan_env.mdp.instances import InstanceSet
from gan_env.records import Float64
from gan_env.strict import to_dict

COLLAPSED = np.log(0.5)
"""A run has collapsed when its samples' spread is less than half of the data's, in logarithm."""
WORST = 5
"""The number of failure cases that are described."""
Played = Mapping[str, Sequence[Episodes]]


def summarize_study(study: Study) -> Summary:
    """All numbers of a study whose cells are done."""
    learned, size = best_on_training(study), study.options.instances
    strongest = strongest_rival(study, learned)
    played = {setting: gather(study, setting) for setting in (HELD_OUT, *study.options.settings)}
    here = played[HELD_OUT]
    mine = finals(here[learned], size)
    return Summary(
        name=study.path.name,
        learned=learned,
        strongest=strongest,
        by_tuning=tuple(gain_over(mine, finals([one], size)) for one in here[strongest]),
        updates_saved=saved_over(here[learned], here[strongest], size),
        target=study.options.target,
        settings={setting: summarize_setting(study, setting, parts, learned) for setting, parts in played.items()},
        failures=failures(study, here[learned], here[strongest]),
    )


# --- choices: by the log metric on training instances, never by a test run or a score ---


def best_on_training(study: Study) -> str:
    """The controller with the lowest mean final log metric on training instances, ablations left out.

    Only controllers with the most training seeds count: fewer trainings are less certain.
    """
    seeds = {name: c.seeds for name, c in study.options.active.items() if c.varies is None}
    most = max(seeds.values())
    return min((name for name in seeds if seeds[name] == most), key=lambda name: _mean_on_training(study, name, most))


def strongest_rival(study: Study, learned: str) -> str:
    """The tuned opponent with the lowest mean final log metric on training instances, over its tunings.

    Only those count that are told no more than the learned policy.
    """
    fair = [name for name in study.rivals if not told(study, name, learned)]
    return min(fair, key=lambda name: _mean_on_training(study, name, study.tunings[name]))


def told(study: Study, name: str, learned: str) -> str:
    """What a policy is told about a run that the learned one has to find out, in words; empty: nothing.

    Schedules act on progress alone, whatever their environment shows, save those that are told the rates. Rules look at
    the statistics that they react to.
    """
    known = env_config(**study.env_options(learned)).observation
    if name.endswith(YOKED_SUFFIX):
        return "another run of the instance"
    if study.told_rates(name):
        return "" if "context" in known else "the rates"
    learns = name in study.options.active
    groups = env_config(**study.env_options(name)).observation if learns else study.reads(name)
    return ", ".join(group for group in groups if group not in known)


def _mean_on_training(study: Study, name: str, seeds: int) -> float:
    return float(np.mean([study.training_episodes(name, seed).validation.mean() for seed in range(seeds)]))


# --- a setting ---


def summarize_setting(study: Study, setting: str, played: Played, learned: str) -> SettingSummary:
    """All policies of a setting, each compared with its rivals.

    These are the tuned opponents, the oracle, constants, its own read-outs and, for a controller, the one that it
    varies or the `learned` one. That one is compared with all that is not learned.
    """
    size, gan_seeds = study.size(setting)
    env = study.test_env(setting)
    budget, active = env.config.updates, study.options.active
    scores = {name: finals(parts, size) for name, parts in played.items()}
    target = np.tile(scores[BEST].mean(axis=(0, 2)), gan_seeds)  # [E]: what the tuned schedule ends at
    rows = {}
    for name, parts in played.items():
        controller, mine = active.get(name), scores[name]
        rivals = [*study.rivals, "oracle", CONSTANTS, *([controller.varies or learned] if controller else [])]
        rivals += [other for other in scores if name == learned and controller_of(other) not in active]
        met = [other for other in dict.fromkeys(rivals) if other in scores and other != name]
        against = {other: compare(mine, scores[other]) for other in met}
        own = [name + suffix for suffix in SUFFIXES]
        if name.endswith(YOKED_SUFFIX):
            own = [controller_of(name) + REPLAY_SUFFIX]
        read_outs = [other for other in own if other in scores]
        rows[name] = _row(
            parts,
            size,
            updates_needed(parts, target, budget),
            budget,
            against=against | {other: compare(mine, scores[other], paired=True) for other in read_outs},
            told=told(study, name, learned),
            found=cost_of_finding(study, name, len(parts)),
            played=cost_of_playing(study, setting, name, len(parts)),
        )
    return SettingSummary(env.judge.metric_name, rows)


def _row(parts: Sequence[Episodes], instances: int, reached: Float64, budget: int, **others: Any) -> Row:
    """A policy's row. `reached`: GAN updates of each run to the target, [S x E]; `others`: fields of `Row`."""
    scores = finals(parts, instances)
    by_seed = [float(iqm(one.ravel())) for one in scores]
    crashed = np.concatenate([e.crashed for e in parts])
    collapse = np.concatenate([e.extras["collapse"][:, -1] for e in parts])
    return Row(
        seeds=len(scores),
        runs=scores.size,
        iqm=Estimate(**stratified(scores, iqm)),
        spread_over_seeds=float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None,
        spread_over_gan_seeds=float(np.sqrt(scores.var(axis=2, ddof=1).mean())) if scores.shape[2] > 1 else None,
        crashes=int(crashed.sum()),
        collapsed=float((~crashed & (collapse < COLLAPSED)).mean()),
        reached_target=float(np.isfinite(reached).mean()),
        updates_to_target=float(np.minimum(reached, budget).mean()),
        **others,
    )


# --- scores ---


def arranged(columns: Sequence[NDArray[Any]], instances: int) -> Float64:
    """One number per episode, [E] for each training or tuning -> [S, I, G]; `Study.runs` has the order of episodes."""
    return np.stack([np.asarray(c, np.float64).reshape(-1, instances).T for c in columns])


def finals(parts: Sequence[Episodes], instances: int) -> Float64:
    """Final scores [S, I, G], which are reported."""
    return arranged([e.final for e in parts], instances)


def updates_needed(parts: Sequence[Episodes], target: Float64, budget: int) -> Float64:
    """GAN updates until each run's score is at its target [E], infinite where it never is: [S x E].

    Args:
        parts: episodes of each training or tuning.
        target: of each run.
        budget: GAN updates of a run.
    """
    return np.concatenate([decisions_to_target(e.score, target) * budget / e.rewards.shape[1] for e in parts])


def saved_over(parts: Sequence[Episodes], opponent: Sequence[Episodes], instances: int) -> Estimate:
    """The share of a run that is left when the mean score is the opponent's mean final score; 0: it never gets there.

    Its interval is for new instances.
    """
    curves = [np.mean([e.score.reshape(-1, instances, e.score.shape[1]) for e in p], (0, 1)) for p in (parts, opponent)]
    found = updates_saved(*curves)  # [I, T + 1] each
    return Estimate(found["value"], found["over_instances"])


# --- costs ---


def cost_of_finding(study: Study, name: str, seeds: int) -> Cost:
    """What one training or tuning took on average; a read-out took its controller's training."""
    if controller_of(name) in study.options.active:
        return _mean_cost(study.training_costs(controller_of(name), seed) for seed in range(seeds))
    if name not in study.tunings or name in study.committed:
        return Cost()
    taken = ((study.costs(f"tuning-{name}-{s}"), study.tuning_result(name, s).gan_updates) for s in range(seeds))
    return _mean_cost(costs | {"gan_updates": updates} for costs, updates in taken)


def cost_of_playing(study: Study, setting: str, name: str, seeds: int) -> Cost:
    """What all runs of a policy in a setting took, averaged over its trainings or tunings."""
    return _mean_cost(study.costs(f"{setting}-{name}{suffix}") for suffix in ("", *(f"-{s}" for s in range(seeds))))


def _mean_cost(measured: Iterable[Mapping[str, Any]]) -> Cost:
    found = list(measured)
    values = {key: [one[key] for one in found if key in one] for key in ("gan_updates", "wall_s", "peak_mb")}
    return Cost(**{key: float(np.mean(column)) for key, column in values.items() if column})


# --- failures ---


def failures(study: Study, learned: Sequence[Episodes], opponent: Sequence[Episodes]) -> tuple[Failure, ...]:
    """The held-out instances on which the learned policy gains least over an opponent, over all trainings."""
    size = study.options.instances
    instances = InstanceSet(env_config(**study.options.env), "test").instances
    mine, theirs = (finals(parts, size).mean(axis=0) for parts in (learned, opponent))  # [I, G]
    crashes = arranged([e.crashed for e in learned], size).sum(axis=(0, 2))
    gain, seeds = theirs - mine, mine.shape[1]
    error = gain.std(axis=1, ddof=1) / np.sqrt(seeds) if seeds > 1 else None
    return tuple(
        Failure(
            index=i,
            instance=to_dict(instances[i]),
            gain=float(gain[i].mean()),
            standard_error=None if error is None else float(error[i]),
            learned=float(mine[i].mean()),
            opponent=float(theirs[i].mean()),
            crashes=int(crashes[i]),
        )
        for i in np.argsort(gain.mean(axis=1))[:WORST].tolist()
    )
