"""Pictures that only a report has; `agents.study.pictures` has those of trainings too."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from agents.study.names import knob_label, plain
from agents.study.options import BEST, HELD_OUT
from agents.study.pictures import (
    BAND,
    COLOURS,
    DPI,
    SMALLEST,
    WIDTH,
    colours,
    draw_gain,
    scale_gain_axis,
    scale_metric_axis,
    updates_of,
)
from agents.study.records import Failure, Summary
from gan_env.config import EnvConfig
from gan_env.evaluation.pictures import scale_knob_axis
from gan_env.evaluation.rollout import Episodes
from gan_env.mdp.knobs import KnobSet

COLOURS_OF_A_FILE = 48
"""Colours of a picture's file: enough for its lines and their smooth edges."""


def png(figure: Figure) -> bytes:
    """The figure as PNG of few colours, a third of the size of one with all."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=DPI, format="png")
    few = (
        Image.open(drawn)
        .convert("RGB")
        .quantize(COLOURS_OF_A_FILE, Image.Quantize.MAXCOVERAGE, kmeans=5, dither=Image.Dither.NONE)
    )
    few.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def with_knobs(episodes: Episodes, own: Sequence[str], shown: Sequence[str]) -> Episodes:
    """The episodes of a policy that moves its `own` knobs, with the coordinates of the `shown` knobs.

    Knobs that it doesn't move are NaN, which is not drawn.
    """
    still = np.full_like(episodes.rewards, np.nan)
    columns = [episodes.coordinates[..., own.index(name)] if name in own else still for name in shown]
    return replace(episodes, coordinates=np.stack(columns, axis=-1))


def settings_figure(summary: Summary) -> Figure:
    """Gains over the tuned schedule in per cent, in every setting: of those that other pictures show, and stand-ins."""
    known = {name: colour for name, colour in colours(summary).items() if name != BEST}
    spare = (colour for colour in COLOURS if colour not in known.values())
    tone = known | dict(zip(_stand_ins(summary), spare, strict=False))
    names = list(tone)
    figure = Figure(figsize=(WIDTH, 1.2 + 0.85 * len(summary.settings)), layout="constrained")
    axis = figure.subplots()
    gains = {
        (place, rank): (name, setting.rows[name].against[BEST].gain)
        for place, setting in enumerate(reversed(summary.settings.values()))
        for rank, name in enumerate(names)
        if name in setting.rows and BEST in setting.rows[name].against
    }
    rows = [plain(name) for name in reversed(summary.settings)]
    label = f"final metric lower than the {plain(BEST)}'s by … %"
    low = scale_gain_axis(axis, [gain for _, gain in gains.values()], rows, label, right=0.05)
    for (place, rank), (name, gain) in gains.items():
        draw_gain(axis, gain, place + 0.35 - 0.7 * rank / max(len(names) - 1, 1), tone[name], low)
    for place in range(1, len(rows)):
        axis.axhline(place - 0.5, color="grey", lw=0.5)
    handles = [Line2D([], [], color=colour, marker="o", lw=2, label=plain(name)) for name, colour in tone.items()]
    figure.legend(handles=handles, fontsize=SMALLEST, loc="outside upper center", ncols=2, frameon=False)
    return figure


def _stand_ins(summary: Summary) -> list[str]:
    """Other learners that play where the learned one doesn't, since it knows what is asked there."""
    learners = [name for name, row in summary.settings[HELD_OUT].rows.items() if summary.learned in row.against]
    places = [setting.rows for setting in summary.settings.values() if summary.learned not in setting.rows]
    return [name for name in learners if any(name in rows for rows in places)]


def failures_figure(
    episodes: Mapping[str, Episodes], worst: Sequence[Failure], instances: int, config: EnvConfig
) -> Figure:
    """The worst instances of the learned policy, one a row: the metric, and the knob in which the two differ most.

    Medians, and the band from 10 % to 90 % of the runs there.

    Args:
        episodes: of the learned policy and of its opponent.
        worst: the instances.
        instances: the number of all, which runs meet in turn.
        config: of the environment.
    """
    figure = Figure(figsize=(WIDTH, 2.1 * len(worst) + 0.3), layout="constrained")
    tone = dict(zip(episodes, COLOURS, strict=False))
    for part, failure in zip(figure.subfigures(len(worst), 1, squeeze=False).flat, worst, strict=True):
        fields, rates = failure.instance, "G's rate {lr_g:.2g}, D's {lr_d:.2g}".format(**failure.instance)
        part.suptitle(f"{plain(fields['dataset'])}, {fields['num_samples']} samples, {rates}", fontsize=SMALLEST)
        there = {name: e.take(np.arange(len(e.final)) % instances == failure.index) for name, e in episodes.items()}
        index = _differing_knob(list(there.values()))
        knob = KnobSet(config, torch.device("cpu")).controlled[index]
        axes = part.subplots(1, 2)
        for name, e in there.items():
            moved = knob.decode(torch.from_numpy(e.coordinates[:, :, index])).numpy()  # [G, T]
            for axis, values in zip(axes, (np.exp(e.score), moved), strict=True):
                updates = updates_of(values, config, int(values is moved))
                axis.plot(updates, np.median(values, axis=0), color=tone[name], lw=1.8, label=plain(name))
                axis.fill_between(updates, *np.quantile(values, BAND, axis=0), color=tone[name], alpha=0.2, lw=0)
        for axis, label in zip(axes, ("metric, log scale", knob_label(knob.name)), strict=True):
            axis.set_title(label, fontsize=SMALLEST, loc="left")
            axis.tick_params(which="both", labelsize=SMALLEST)
            axis.grid(alpha=0.3)
        scale_metric_axis(axes[0])
        scale_knob_axis(axes[1], knob)
        axes[0].legend(fontsize=SMALLEST, frameon=False)
    figure.supxlabel("GAN updates", fontsize=SMALLEST)
    return figure


def _differing_knob(episodes: Sequence[Episodes]) -> int:
    """The number of the knob whose median coordinates differ most, on average over the run."""
    moments = min(e.coordinates.shape[1] for e in episodes)
    one, other = (np.median(e.coordinates[:, -moments:], axis=0) for e in episodes)  # [T, K]
    apart = np.abs(one - other).mean(axis=0)
    return int(np.nanargmax(np.append(apart, 0.0)) % len(apart))
