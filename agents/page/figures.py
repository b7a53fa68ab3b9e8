"""The pictures of a report that are its own; knob trajectories and samples come from `agents.page.plots`."""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from agents.page.plots import SMALLEST, WIDTH, colors_of, panels_of
from agents.page.wording import over
from agents.study.options import BEST
from gan_env.config import EnvConfig
from gan_env.evaluation.pictures import scale_knob_axis
from gan_env.evaluation.rollout import Episodes
from gan_env.mdp.knobs import knob_table

DPI = 150


def png(figure: Figure) -> bytes:
    """The figure as PNG; it is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png")
    plt.close(figure)
    return buffer.getvalue()


def with_knobs(episodes: Episodes, own: Sequence[str], shown: Sequence[str]) -> Episodes:
    """The episodes of a policy that moves its `own` knobs, with the coordinates of those that are `shown`.

    NaN, which is not drawn, where it doesn't move one of them.
    """
    still = np.full_like(episodes.rewards, np.nan)
    columns = [episodes.coordinates[..., own.index(name)] if name in own else still for name in shown]
    return replace(episodes, coordinates=np.stack(columns, axis=-1))


def curves_figure(episodes: Mapping[str, Episodes], learned: str, config: EnvConfig, metric: str) -> Figure:
    """The log metric over the run by policy: medians, and the learned policy's quartiles."""
    figure, axis = plt.subplots(figsize=(WIDTH, 4.2), layout="constrained")
    updates = np.arange(config.num_decisions + 1) * config.updates_per_decision
    colors = colors_of(episodes)
    for name, e in episodes.items():
        mine, color = name == learned, colors[name]
        axis.plot(updates, np.median(e.log_metric, axis=0), color=color, label=name, lw=2.5 if mine else 1.3)
        if mine:
            low, high = np.quantile(e.log_metric, (0.25, 0.75), axis=0)
            axis.fill_between(updates, low, high, color=color, alpha=0.15, lw=0)
    axis.set(xlabel="GAN updates", ylabel="log metric")
    figure.suptitle(metric, fontsize=SMALLEST)
    axis.legend(fontsize=SMALLEST)
    axis.grid(alpha=0.3)
    return figure


def gains_over_strongest(rows: Mapping[str, dict[str, Any]], strongest: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """The tuned schedule that policies of a setting are drawn against, and what each other one gains over it.

    It is the strongest one, which a controller's aim is about, or the usual one where that doesn't play.
    """
    whom = strongest if strongest in rows else BEST
    return whom, {name: over(row, whom)["gain"] for name, row in rows.items() if name != whom}


def gains_figure(gains: Mapping[str, dict[str, Any]], learned: str, title: str, whole: Collection[str]) -> Figure:
    """Gains with their 95 % intervals, one above the other: right of 0 is better.

    The axis holds the intervals of `whole` and all that is better: a gain that is farther left would press them
    together, and is a number at the edge, unless its interval reaches so far right.
    """
    order = sorted(gains, key=lambda name: gains[name]["value"])
    low = min([0.0, *(gains[name]["ci95"][0] for name in whole if name in gains)])
    high = max([0.0, *(gain["ci95"][1] for gain in gains.values())])
    figure, axis = plt.subplots(figsize=(WIDTH, 1.2 + 0.25 * len(order)), layout="constrained")
    for place, name in enumerate(order):
        color, value = "C3" if name == learned else "C0", gains[name]["value"]
        if gains[name]["ci95"][1] < low:
            axis.text(low, place, f"\N{LEFTWARDS ARROW} {value:+.2f}", color=color, fontsize=SMALLEST, va="center")
            continue
        axis.plot(gains[name]["ci95"], [place, place], color=color, lw=3)
        axis.plot(value, place, "o", color=color)
    axis.axvline(0, color="black", lw=1)
    axis.set(yticks=range(len(order)), yticklabels=order, xlabel="gain in the final log metric, 95 % interval")
    axis.set(xlim=np.array([low, high]) + np.array([-0.04, 0.04]) * (high - low), ylim=(-0.8, len(order) - 0.2))
    figure.suptitle(title, fontsize=10)
    axis.grid(alpha=0.3, axis="x")
    return figure


def profiles_figure(profiles: Mapping[str, Any], metric: str) -> Figure:
    """Performance profiles: the share of runs that end at or below each log metric; higher is better."""
    figure, axis = plt.subplots(figsize=(WIDTH, 4.2), layout="constrained")
    for index, name in enumerate(profiles["drawn"]):
        profile = profiles["policies"][name]
        axis.plot(profiles["thresholds"], profile["share"], color=f"C{index}", label=name, lw=1.8)
        axis.fill_between(profiles["thresholds"], profile["low"], profile["high"], color=f"C{index}", alpha=0.12, lw=0)
    axis.set(xlabel="final log metric", ylabel="share of runs that end here or below")
    figure.suptitle(metric, fontsize=SMALLEST)
    axis.legend(fontsize=SMALLEST)
    axis.grid(alpha=0.3)
    return figure


def seeds_figure(rows: Mapping[str, dict[str, Any]]) -> Figure:
    """The interquartile mean of every training seed by itself, by controller."""
    figure, axis = plt.subplots(figsize=(WIDTH, 1.2 + 0.4 * len(rows)), layout="constrained")
    for place, (name, row) in enumerate(rows.items()):
        axis.plot(row["by_seed"], [place] * len(row["by_seed"]), "o", alpha=0.7, color=f"C{place}", label=name)
        axis.plot(row["iqm"], place, "|", ms=22, color=f"C{place}")
    axis.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel="IQM of the final log metric (bar: all seeds)")
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.grid(alpha=0.3, axis="x")
    return figure


def failures_figure(
    episodes: Mapping[str, Episodes], worst: list[dict[str, Any]], instances: int, config: EnvConfig
) -> Figure:
    """The worst instances of the learned policy: log metric and knobs over the run, every run thin, medians thick.

    Policies may decide at different moments; all have the same GAN updates.
    """
    budget = config.num_decisions * config.updates_per_decision
    knobs = [knob_table()[name] for name in config.knobs]
    rows = 1 + len(knobs) // 2
    figure = plt.figure(figsize=(WIDTH, (0.8 + 1.9 * rows) * len(worst)), layout="constrained")
    for part, row in zip(figure.subfigures(len(worst), 1, squeeze=False).flat, worst, strict=True):
        title = f"instance {row['instance']}: {row['dataset']}, {row['num_samples']} samples\n"
        part.suptitle(f"{title}rates G {row['lr_g']:.2g}, D {row['lr_d']:.2g}", fontsize=10)
        axes = panels_of(part, ("log metric", *config.knobs))
        for index, (name, e) in enumerate(episodes.items()):
            there = np.arange(len(e.final)) % instances == row["instance"]
            chosen = torch.from_numpy(e.coordinates[there])  # [G, T, K]
            drawn = [e.log_metric[there], *(knob.decode(chosen[:, :, k]).numpy() for k, knob in enumerate(knobs))]
            for axis, values in zip(axes, drawn, strict=True):  # [G, T + 1] or [G, T]
                updates = np.linspace(0, budget, e.log_metric.shape[1])[-values.shape[1] :]
                axis.plot(updates, values.T, color=f"C{index}", lw=0.5, alpha=0.5)
                axis.plot(updates, np.median(values, axis=0), color=f"C{index}", lw=2, label=name)
        for axis, knob in zip(axes[1:], knobs, strict=True):
            scale_knob_axis(axis, knob)
        axes[0].legend(fontsize=SMALLEST)
    return figure
