"""The pictures of a comparison: knob trajectories, the metric over the run, samples at four moments."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from agents.learning.run_folder import RunFolder
from gan_env.config import EnvConfig, env_config
from gan_env.data.points import POINT_SETS, load_points
from gan_env.evaluation.pictures import RUN_COLOURS, draw_samples, scale_knob_axis
from gan_env.evaluation.rollout import Episodes
from gan_env.mdp.instances import InstanceSet
from gan_env.mdp.knobs import knob_table

WIDTH, SMALLEST = 5.0, 9.0
"""Inches across a picture and points of its smallest text: on a phone, 358 pixels wide, that text is 9 pixels high."""
BAND = (0.1, 0.9)
SHOWN = 4  # policies in pictures of samples, the learned one among them


def draw_all(folder: RunFolder, summary: dict[str, Any], env_options: dict[str, Any]) -> None:
    """Draws `knobs.png`, `metric.png` and `samples.png` into the run folder."""
    config = env_config(**env_options)
    episodes = {name: folder.cached_episodes(name, _missing) for name in summary["policies"]}
    figures = {
        "knobs": knob_figure({name: [found] for name, found in episodes.items()}, summary["learned"], config),
        "metric": metric_figure(episodes, summary, config),
        "samples": sample_figure(
            {name: folder.path / f"samples/{name}.npy" for name in summary["policies"]}, episodes, summary, config
        ),
    }
    for name, figure in figures.items():
        folder.write(f"{name}.png", partial(figure.savefig, dpi=130, format="png"))
        plt.close(figure)


def colors_of(policies: Iterable[str]) -> dict[str, Any]:
    """A colour a policy: strong ones first, as pale ones beside them are hard to tell apart."""
    return dict(zip(policies, cycle(RUN_COLOURS), strict=False))


def panels_of(parent: Figure | SubFigure, titles: Sequence[str]) -> list[Axes]:
    """Panels over the GAN updates, two a row: as many beside each other as can be read on a phone."""
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
    """A panel a knob: the learned policy's median and quantile band, and a line for each training or tuning of others.

    Schedules of several tunings may go opposite ways: the median over them is nobody's.
    """
    rows, names = -(-len(config.knobs) // 2), -(-len(parts) // 2)
    figure = plt.figure(figsize=(WIDTH, 2.1 * rows + 0.22 * names + 0.3), layout="constrained")
    axes = panels_of(figure, config.knobs)
    updates = (np.arange(config.num_decisions) + 1) * config.updates_per_decision
    band, colors = Episodes.join(parts[learned], 0), colors_of(parts)
    knobs = [knob_table()[name] for name in config.knobs]

    def values(episodes: Episodes, index: int) -> NDArray[Any]:  # [E, T]
        return knobs[index].decode(torch.from_numpy(episodes.coordinates[:, :, index])).numpy()

    for index, (axis, knob) in enumerate(zip(axes, knobs, strict=True)):
        for policy, color in colors.items():
            if policy.startswith("random"):
                continue
            mine = policy == learned
            style = {"lw": 2.5, "zorder": 3} if mine else {"lw": 1.3, "ls": "--" if policy.endswith("replay") else "-"}
            for number, one in enumerate([band] if mine else parts[policy]):
                label = policy if number == 0 else None
                axis.plot(updates, np.median(values(one, index), axis=0), color=color, label=label, **style)
        low, high = np.quantile(values(band, index), BAND, axis=0)
        axis.fill_between(updates, low, high, color=colors[learned], alpha=0.2, lw=0)
        scale_knob_axis(axis, knob)
    figure.supylabel("value (median; band: 10 % to 90 % of the runs)", fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=SMALLEST, loc="outside upper center", ncols=2)
    return figure


def metric_figure(episodes: dict[str, Episodes], summary: dict[str, Any], config: EnvConfig) -> Figure:
    """The log metric over the run by policy, and each policy's paired gain over the best schedule."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
    updates = np.arange(config.num_decisions + 1) * config.updates_per_decision
    colors = colors_of(episodes)
    for policy, e in episodes.items():
        mine = policy == summary["learned"]
        left.plot(updates, np.median(e.log_metric, axis=0), color=colors[policy], label=policy, lw=2.5 if mine else 1.2)
        if mine:
            low, high = np.quantile(e.log_metric, (0.25, 0.75), axis=0)
            left.fill_between(updates, low, high, color=colors[policy], alpha=0.15, lw=0)
    left.set(xlabel="GAN updates", ylabel="log metric (median; band: quartiles)", title=summary["metric"])
    left.legend(fontsize=7)
    left.grid(alpha=0.3)
    gains = {
        name: row["gain_over_best_schedule"]
        for name, row in summary["policies"].items()
        if "gain_over_best_schedule" in row
    }
    order = sorted(gains, key=lambda name: gains[name]["mean"])
    for place, name in enumerate(order):
        low, high = gains[name]["ci95"]
        right.plot([low, high], [place, place], color=colors[name], lw=3)
        right.plot(gains[name]["mean"], place, "o", color=colors[name])
    right.axvline(0, color="black", lw=1)
    right.set(
        yticks=range(len(order)), yticklabels=order, title="gain over the best schedule of the grid",
        xlabel="paired difference of the final log metric, 95 % interval (right of 0: better)",
    )  # fmt: skip
    right.grid(alpha=0.3, axis="x")
    return figure


def sample_figure(
    files: Mapping[str, Path],
    episodes: dict[str, Episodes],
    summary: dict[str, Any],
    config: EnvConfig,
    instances: int | None = None,
) -> Figure:
    """Samples at four moments of one test run, over held-out data: a row a policy, the learned one first.

    Of the runs whose samples were kept (`files`, by policy), it is the one that the learned policy ends at the median
    with. Runs meet the first `instances` test instances in turn, or all of them.
    """
    ranked = sorted(summary["policies"], key=lambda n: summary["policies"][n]["iqm"])
    others = [name for name in ranked if name not in (summary["learned"], "replay")]
    names = [summary["learned"], "best_schedule", *[n for n in others if n != "best_schedule"]]
    names = [*names[: SHOWN - 1], *names[SHOWN - 1 :][-1:]]  # the best few, and the worst
    kept = {name: np.load(files[name]) for name in names}  # [runs, moments, count, *shape]
    runs = len(kept[summary["learned"]])
    run = int(np.argsort(episodes[summary["learned"]].final[:runs])[runs // 2])
    samples = {name: array[run] for name, array in kept.items()}
    tested = InstanceSet(config, "test")
    dataset = tested[run % (instances or len(tested))].dataset
    data = load_points(dataset).held_out[:1000].numpy() if dataset in POINT_SETS else None
    moments = len(next(iter(samples.values())))
    total = config.num_decisions * config.updates_per_decision
    figure, axes = plt.subplots(
        len(names), moments, figsize=(WIDTH, 1.5 * len(names) + 0.4), layout="constrained", squeeze=False
    )
    for row, name in zip(axes, names, strict=True):
        row[0].set_title(name, fontsize=10, loc="left")
        for moment, axis in enumerate(row):
            draw_samples(axis, samples[name][moment], data)
    for moment, axis in enumerate(axes[-1]):
        axis.set_xlabel(f"about {round((moment + 1) * total / moments)}\nupdates", fontsize=SMALLEST)
    return figure


def _missing() -> Episodes:
    raise FileNotFoundError("the run folder lacks an evaluation; run the comparison first")
