"""Pictures that only a report has; `agents.study.pictures` has those of trainings too."""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from agents.study.pictures import DPI, SMALLEST, WIDTH, panels_of
from agents.study.records import Failure, Gain
from gan_env.config import EnvConfig
from gan_env.evaluation.pictures import scale_knob_axis
from gan_env.evaluation.rollout import Episodes
from gan_env.mdp.knobs import knob_table


def png(figure: Figure) -> bytes:
    """The figure as PNG; it is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png")
    plt.close(figure)
    return buffer.getvalue()


def with_knobs(episodes: Episodes, own: Sequence[str], shown: Sequence[str]) -> Episodes:
    """The episodes of a policy that moves its `own` knobs, with the coordinates of the `shown` knobs.

    Knobs that it doesn't move are NaN, which is not drawn.
    """
    still = np.full_like(episodes.rewards, np.nan)
    columns = [episodes.coordinates[..., own.index(name)] if name in own else still for name in shown]
    return replace(episodes, coordinates=np.stack(columns, axis=-1))


def gains_figure(gains: Mapping[str, Gain], learned: str, title: str, whole: Collection[str]) -> Figure:
    """One gain per line; thick: 95 % interval, thin: for new instances. Right of 0 is better.

    The axis holds the intervals of the policies in `whole` and everything better. A gain farther left is written as a
    number at the edge, as the others would be pressed together.
    """
    order = sorted(gains, key=lambda name: gains[name].value)
    wide = {name: gain.over_instances or gain.ci95 for name, gain in gains.items()}
    low = min([0.0, *(min(wide[name][0], gains[name].ci95[0]) for name in whole if name in gains)])
    high = max([0.0, *(max(wide[name][1], gains[name].ci95[1]) for name in gains)])
    figure, axis = plt.subplots(figsize=(WIDTH, 1.2 + 0.25 * len(order)), layout="constrained")
    for place, name in enumerate(order):
        color, gain = "C3" if name == learned else "C0", gains[name]
        if gain.ci95[1] < low:
            axis.text(low, place, f"\N{LEFTWARDS ARROW} {gain.value:+.2f}", color=color, fontsize=SMALLEST, va="center")
            continue
        axis.plot(wide[name], [place, place], color=color, lw=1)
        axis.plot(gain.ci95, [place, place], color=color, lw=3)
        axis.plot(gain.value, place, "o", color=color)
    axis.axvline(0, color="black", lw=1)
    axis.set(yticks=range(len(order)), yticklabels=order, xlabel="gain in the final log metric, 95 % intervals")
    axis.set(xlim=np.array([low, high]) + np.array([-0.04, 0.04]) * (high - low), ylim=(-0.8, len(order) - 0.2))
    figure.suptitle(title, fontsize=10)
    axis.grid(alpha=0.3, axis="x")
    return figure


def failures_figure(
    episodes: Mapping[str, Episodes], worst: Sequence[Failure], instances: int, config: EnvConfig
) -> Figure:
    """The worst instances of the learned policy: score and knobs over the run, every run thin, medians thick.

    Policies may decide at different moments; all have the same GAN updates.
    """
    budget = config.num_decisions * config.updates_per_decision
    knobs = [knob_table()[name] for name in config.knobs]
    rows = 1 + len(knobs) // 2
    figure = plt.figure(figsize=(WIDTH, (0.8 + 1.9 * rows) * len(worst)), layout="constrained")
    for part, failure in zip(figure.subfigures(len(worst), 1, squeeze=False).flat, worst, strict=True):
        fields = failure.instance
        title = f"instance {failure.index}: {fields['dataset']}, {fields['num_samples']} samples\n"
        part.suptitle(f"{title}rates G {fields['lr_g']:.2g}, D {fields['lr_d']:.2g}", fontsize=10)
        axes = panels_of(part, ("log metric", *config.knobs))
        for index, (name, e) in enumerate(episodes.items()):
            there = np.arange(len(e.final)) % instances == failure.index
            chosen = torch.from_numpy(e.coordinates[there])  # [G, T, K]
            drawn = [e.score[there], *(knob.decode(chosen[:, :, k]).numpy() for k, knob in enumerate(knobs))]
            for axis, values in zip(axes, drawn, strict=True):  # [G, T + 1] or [G, T]
                updates = np.linspace(0, budget, e.score.shape[1])[-values.shape[1] :]
                axis.plot(updates, values.T, color=f"C{index}", lw=0.5, alpha=0.5)
                axis.plot(updates, np.median(values, axis=0), color=f"C{index}", lw=2, label=name)
        for axis, knob in zip(axes[1:], knobs, strict=True):
            scale_knob_axis(axis, knob)
        axes[0].legend(fontsize=SMALLEST)
    return figure
