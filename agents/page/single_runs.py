"""A picture that follows single runs: how their statistics go, and how the learned policy's knobs answer."""

import numpy as np
import torch
from matplotlib.figure import Figure

from agents.study.names import knob_label, plain
from agents.study.options import HELD_OUT
from agents.study.pictures import COLOURS, SMALLEST, WIDTH, panels_of, scale_metric_axis, updates_of, wrapped
from agents.study.study import Study
from gan_env import Instance
from gan_env.config import EnvConfig
from gan_env.evaluation.pictures import scale_knob_axis
from gan_env.evaluation.rollout import Episodes, Rollout
from gan_env.mdp.knobs import KnobSet
from gan_env.mdp.statistics import statistics
from gan_env.records import Float32

STATISTICS = ("step_g", "step_d", "logit_real", "grad_g", "loss_g", "loss_d")
"""Those that are drawn, as far as the policy sees them; the first three of them."""
QUANTILES = (0.1, 0.5, 0.9)
"""Runs that are followed: with slow, middling and fast learning rates."""


def single_runs_figure(study: Study, learned: str) -> Figure:
    """Plays the first batch of held-out runs again, as only scores and knobs are saved, and follows three of them."""
    env, (seeds, instances) = study.test_env(HELD_OUT, learned), study.runs(HELD_OUT)
    count = env.num_envs
    rollout = Rollout(study.policy(learned, 0, env), env, list(seeds)[:count], instances[:count])
    for _ in range(env.config.num_decisions):
        rollout.step()
    met = [env.instances[index] for index in instances[:count]]
    names = [name for name in STATISTICS if name in env.observer.names][:3]
    seen = {name: rollout.observations()[:, :, env.observer.place(name)] for name in names}
    return draw_runs(rollout.episodes(count), met, seen, env.config)


def draw_runs(episodes: Episodes, instances: list[Instance], seen: dict[str, Float32], config: EnvConfig) -> Figure:
    """Panels of the metric, the statistics and the knobs, with a line for each of three runs that did not crash.

    Args:
        episodes: of E runs.
        instances: what each of them met.
        seen: statistics by name, [E, T + 1].
        config: of the environment.
    """
    speed = np.array([np.log(one.lr_g * one.lr_d) for one in instances])
    alive = np.flatnonzero(~episodes.crashed)
    ranked = alive[np.argsort(speed[alive], kind="stable")]
    picked = dict.fromkeys(int(ranked[round(q * (len(ranked) - 1))]) for q in QUANTILES) if len(ranked) else {}
    described = {s.name: s.description for s in statistics(config.knobs, config.losses)}
    titles = ["metric, log scale", *(wrapped(described[name], 34) for name in seen), *map(knob_label, config.knobs)]
    figure = Figure(figsize=(WIDTH, 1.55 * -(-len(titles) // 2) + 0.7), layout="constrained")
    axes = panels_of(figure, titles)
    knobs = KnobSet(config, torch.device("cpu")).controlled
    for run, colour in zip(picked, COLOURS, strict=False):
        one = instances[run]
        label = f"{plain(one.dataset)}: G's rate {one.lr_g:.2g}, D's {one.lr_d:.2g}"
        moved = [k.decode(torch.from_numpy(episodes.coordinates[run, :, i])).numpy() for i, k in enumerate(knobs)]
        shown = [np.exp(episodes.score[run]), *(column[run, 1:] for column in seen.values()), *moved]
        for index, (axis, values) in enumerate(zip(axes, shown, strict=True)):
            updates = updates_of(values, config, int(index > 0))
            axis.plot(updates, values, color=colour, lw=1.6, label=label if index == 0 else None)
    scale_metric_axis(axes[0])
    for axis, knob in zip(axes[1 + len(seen) :], knobs, strict=True):
        scale_knob_axis(axis, knob)
    figure.legend(fontsize=SMALLEST, loc="outside upper center", frameon=False)
    return figure
