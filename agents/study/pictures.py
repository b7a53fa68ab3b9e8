"""Pictures of a training and of a study: knob trajectories, the score over the run, samples."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from agents.study.options import BEST, HELD_OUT
from agents.study.play import sample_files
from agents.study.readout import SUFFIXES
from agents.study.records import Summary
from agents.study.study import Study
from gan_env.config import EnvConfig, env_config
from gan_env.data.points import POINT_SETS, load_points
from gan_env.evaluation.pictures import RUN_COLOURS, draw_samples, scale_knob_axis
from gan_env.evaluation.rollout import Episodes
from gan_env.mdp.instances import InstanceSet
from gan_env.mdp.knobs import knob_table

WIDTH, SMALLEST = 5.0, 9.0
"""Inches across a picture and points of its smallest text: on a phone, 358 pixels wide, that text is 9 pixels high."""
DPI = 150
BAND = (0.1, 0.9)
SHOWN = 4  # policies in pictures of samples, the learned one among them


def study_pictures(study: Study, summary: Summary, parts: Mapping[str, Sequence[Episodes]]) -> dict[str, Figure]:
    """The pictures of a study by name: what its main policies do, and how their runs end.

    Args:
        study: it is done.
        summary: its numbers.
        parts: held-out episodes of each training or tuning of every policy, with the knobs of the learned one.
    """
    learned, setting = summary.learned, summary.settings[HELD_OUT]
    config = env_config(**study.env_options(learned))
    main = dict.fromkeys([learned, *(learned + suffix for suffix in SUFFIXES), BEST, summary.strongest])
    drawn = {name: parts[name] for name in main if name in parts}
    ended = {name: Episodes.join(parts[name], 0) for name in (*drawn, "fixed", "cosine") if name in parts}
    active, files = study.options.active, sample_files(study, HELD_OUT)
    sampled = [name for name in files if name not in active or active[name].varies is None]
    ranked = sorted(sampled, key=lambda name: setting.rows[name].iqm.value)
    return {
        "knobs": knob_figure(drawn, learned, config),
        "metric": curves_figure(ended, learned, config, setting.metric),
        "samples": sample_figure(files, ranked, learned, parts[learned][0], config, study.options.instances),
    }


def colors_of(policies: Iterable[str]) -> dict[str, Any]:
    """A colour for each policy: strong ones first, as pale ones next to them are hard to tell apart."""
    return dict(zip(policies, cycle(RUN_COLOURS), strict=False))


def panels_of(parent: Figure | SubFigure, titles: Sequence[str]) -> list[Axes]:
    """Panels over the GAN updates, two in a row, which can be read on a phone."""
    rows = -(-len(titles) // 2)
    axes = parent.subplots(rows, 2, squeeze=False).ravel()
    for axis in axes[len(titles) :]:
        axis.set_axis_off()
    for axis, title in zip(axes, titles, strict=False):
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
    parent.supxlabel("GAN updates", fontsize=10)
    return list(axes[: len(titles)])


def knob_figure(parts: Mapping[str, Sequence[Episodes]], learned: str, config: EnvConfig) -> Figure:
    """A panel for each knob: the learned policy's median and quantile band, and each training or tuning of the others.

    Schedules of several tunings may go opposite ways, so a median over them would show no policy at all.
    """
    rows, names = -(-len(config.knobs) // 2), -(-len(parts) // 2)
    figure = plt.figure(figsize=(WIDTH, 2.1 * rows + 0.22 * names + 0.3), layout="constrained")
    axes = panels_of(figure, config.knobs)
    budget = config.num_decisions * config.updates_per_decision
    band, colors = Episodes.join(parts[learned], 0), colors_of(parts)
    knobs = [knob_table()[name] for name in config.knobs]

    def values(episodes: Episodes, index: int) -> NDArray[Any]:  # [E, T]
        return knobs[index].decode(torch.from_numpy(episodes.coordinates[:, :, index])).numpy()

    def updates(episodes: Episodes) -> NDArray[Any]:  # [T]; policies may decide at different moments
        return np.linspace(0, budget, episodes.score.shape[1])[1:]

    for index, (axis, knob) in enumerate(zip(axes, knobs, strict=True)):
        for policy, color in colors.items():
            mine = policy == learned
            style = {"lw": 2.5, "zorder": 3} if mine else {"lw": 1.3, "ls": "--" if policy.endswith("replay") else "-"}
            for number, one in enumerate([band] if mine else parts[policy]):
                label = policy if number == 0 else None
                axis.plot(updates(one), np.median(values(one, index), axis=0), color=color, label=label, **style)
        low, high = np.quantile(values(band, index), BAND, axis=0)
        axis.fill_between(updates(band), low, high, color=colors[learned], alpha=0.2, lw=0)
        scale_knob_axis(axis, knob)
    figure.supylabel("value (median; band: 10 % to 90 % of the runs)", fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=SMALLEST, loc="outside upper center", ncols=2)
    return figure


def curves_figure(episodes: Mapping[str, Episodes], learned: str, config: EnvConfig, metric: str) -> Figure:
    """The score over the run of every policy: medians, and the learned policy's quartiles."""
    figure, axis = plt.subplots(figsize=(WIDTH, 4.2), layout="constrained")
    budget, colors = config.num_decisions * config.updates_per_decision, colors_of(episodes)
    for name, e in episodes.items():
        updates = np.linspace(0, budget, e.score.shape[1])
        mine, color = name == learned, colors[name]
        axis.plot(updates, np.median(e.score, axis=0), color=color, label=name, lw=2.5 if mine else 1.3)
        if mine:
            low, high = np.quantile(e.score, (0.25, 0.75), axis=0)
            axis.fill_between(updates, low, high, color=color, alpha=0.15, lw=0)
    axis.set(xlabel="GAN updates", ylabel="log metric")
    figure.suptitle(metric, fontsize=SMALLEST)
    axis.legend(fontsize=SMALLEST)
    axis.grid(alpha=0.3)
    return figure


def sample_figure(
    files: Mapping[str, Path], ranked: Sequence[str], learned: str, played: Episodes, config: EnvConfig, instances: int
) -> Figure:
    """Samples at four moments of one test run, over held-out data: a row for each policy, the learned one first.

    Args:
        files: saved samples by policy.
        ranked: the policies, the best first; shown are the tuned schedule, the best of the others, and the worst.
        learned: the learned policy.
        played: its episodes; of the runs whose samples are saved, the median one is drawn.
        config: of the environment.
        instances: number of test instances, which runs meet in turn.
    """
    names = [learned, BEST, *[name for name in ranked if name not in (learned, BEST)]]
    names = [*names[: SHOWN - 1], *names[SHOWN - 1 :][-1:]]
    kept = {name: np.load(files[name]) for name in names}  # [runs, moments, count, *shape]
    runs, moments = kept[learned].shape[:2]
    run = int(np.argsort(played.final[:runs])[runs // 2])
    dataset = InstanceSet(config, "test")[run % instances].dataset
    data = load_points(dataset).held_out[:1000].numpy() if dataset in POINT_SETS else None
    total = config.num_decisions * config.updates_per_decision
    figure, axes = plt.subplots(
        len(names), moments, figsize=(WIDTH, 1.5 * len(names) + 0.4), layout="constrained", squeeze=False
    )
    for row, name in zip(axes, names, strict=True):
        row[0].set_title(name, fontsize=10, loc="left")
        for moment, axis in enumerate(row):
            draw_samples(axis, kept[name][run][moment], data)
    for moment, axis in enumerate(axes[-1]):
        axis.set_xlabel(f"about {round((moment + 1) * total / moments)}\nupdates", fontsize=SMALLEST)
    return figure
