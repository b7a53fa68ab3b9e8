"""Pictures of a training and of a study: gains, knobs and quality over the run, and samples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from agents.study.names import knob_label, plain
from agents.study.options import BEST, CONSTANTS, HELD_OUT
from agents.study.play import moments_of, sample_files
from agents.study.readout import YOKED_SUFFIX
from agents.study.records import Row, Summary
from agents.study.study import Study
from gan_env.config import EnvConfig, env_config
from gan_env.data.bank import load_dataset
from gan_env.errors import DataError
from gan_env.evaluation.comparison import Gain
from gan_env.evaluation.pictures import draw_samples, scale_knob_axis
from gan_env.evaluation.rollout import Episodes
from gan_env.mdp.instances import InstanceSet
from gan_env.mdp.knobs import KnobSet
from gan_env.records import Float32

WIDTH, SMALLEST = 5.0, 9.0
"""Inches across a picture and points of its smallest text: on a phone, 358 pixels wide, that text is 9 pixels high."""
DPI = 120
MOST = 7
"""Lines in a picture that have to be told apart."""
USUAL = "cosine"
COLOURS = ("#d55e00", "#0072b2", "#000000", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Told apart by the colour-blind as well (Okabe and Ito 2008)."""
GREY = "#bdbdbd"
BY_VERDICT = {1: COLOURS[0], 0: "grey", -1: COLOURS[1]}
"""Colours of gains: better, not told apart, worse."""
BAND = (0.1, 0.9)
SHARED_HEIGHT = 4.6
"""Inches: the height of the pictures that a report shows side by side."""


def study_pictures(study: Study, summary: Summary, parts: Mapping[str, Sequence[Episodes]]) -> dict[str, Figure]:
    """The pictures of a study by name: what its learned policy gains, what it does, how runs go and how they end.

    Args:
        study: it is done.
        summary: its numbers.
        parts: held-out episodes of each training or tuning of every policy, with the knobs of the learned one.
    """
    learned, setting = summary.learned, summary.settings[HELD_OUT]
    config, tone = env_config(**study.env_options(learned)), colours(summary)
    against = setting.rows[learned].against
    gains = {setting.rows[name].title(name): against[name].gain for name in rivals(summary)}
    joined = {name: Episodes.join(parts[name], 0) for name in tone}
    files = sample_files(study, HELD_OUT)
    sampled = {name: (files[name], parts[name][0]) for name in main_policies(summary)}
    return {
        "gains": gains_figure(gains, f"{plain(learned)}'s final metric lower by … %"),
        "knobs": knob_figure(parts, learned, {name: tone[name] for name in main_policies(summary)}, config),
        "metric": curves_figure(joined, learned, tone, config, in_words(setting.metric)),
        "samples": sample_figure(sampled, learned, config, study.options.instances),
    }


def in_words(metric: str) -> str:
    """A metric's name without what it is computed with, which stands in brackets."""
    return metric.split(" (")[0]


def panels_of(parent: Figure, titles: Sequence[str]) -> list[Axes]:
    """Panels over the GAN updates, two in a row, which can be read on a phone."""
    rows = -(-len(titles) // 2)
    axes = parent.subplots(rows, 2, squeeze=False, sharex=True).ravel()
    for axis in axes[len(titles) :]:
        axis.set_axis_off()
    for axis, title in zip(axes, titles, strict=False):
        axis.set_title(title, fontsize=SMALLEST, loc="left")
        axis.tick_params(labelsize=SMALLEST)
        axis.grid(alpha=0.3)
    parent.supxlabel("GAN updates", fontsize=SMALLEST)
    return list(axes[: len(titles)])


def updates_of(values: NDArray[Any], config: EnvConfig, first: int = 0) -> NDArray[Any]:
    """The GAN updates of a run's moments [..., T], the last at its end; policies may decide at different moments."""
    return np.linspace(0, config.updates, values.shape[-1] + first)[first:]


def gains_figure(gains: Mapping[str, Gain], label: str, height: float = SHARED_HEIGHT) -> Figure:
    """A gain in per cent in each row, the opponent that is ahead most at the top, with 95 % intervals.

    The axis holds all that is above -100 %; a gain farther left is a number at the edge.

    Args:
        gains: by the name of their rows, from the top.
        label: of the axis.
        height: of the picture, in inches.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axis = figure.subplots()
    low = scale_gain_axis(axis, list(gains.values()), list(gains)[::-1], label, right=0.25)
    for place, gain in enumerate(list(gains.values())[::-1]):
        draw_gain(axis, gain, place, BY_VERDICT[gain.verdict], low)
        value, _, end = gain.percent
        if value >= low:
            axis.annotate(
                f"{round(value)}", (end, place), (4, 0), textcoords="offset points", fontsize=SMALLEST, va="center"
            )
    return figure


def scale_gain_axis(axis: Axes, gains: Sequence[Gain], rows: Sequence[str], label: str, right: float) -> float:
    """An axis of gains in per cent, with a named row each from the bottom; returns its left end, at least -100.

    `right` is the room beside the largest gain, as a share of the axis.
    """
    ends = [end for gain in gains for end in gain.percent]
    low, high = max(min([0.0, *ends]), -100.0), max([5.0, *ends])
    axis.axvline(0, color="black", lw=1)
    axis.set(yticks=range(len(rows)), yticklabels=[wrapped(row) for row in rows], ylim=(-0.6, len(rows) - 0.4))
    axis.set_xlim(low - 0.05 * (high - low), high + right * (high - low))
    axis.set_xlabel(label, fontsize=SMALLEST)
    axis.tick_params(labelsize=SMALLEST)
    axis.grid(alpha=0.3, axis="x")
    return low


def draw_gain(axis: Axes, gain: Gain, place: float, colour: str, low: float) -> None:
    """A point with its interval, in per cent; beyond the left edge `low`, an arrow."""
    value, *ends = gain.percent
    if value < low:
        axis.text(low, place, f"\N{LEFTWARDS ARROW} {round(value)}", color=colour, fontsize=SMALLEST, va="center")
        return
    axis.plot([max(ends[0], low), ends[1]], [place, place], color=colour, lw=2)
    axis.plot(value, place, "o", color=colour, ms=5)


def wrapped(name: str, width: int = 18) -> str:
    """A name in lines of about `width` characters."""
    lines = [""]
    for word in name.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(line for line in lines if line)


def scale_metric_axis(axis: Axes) -> None:
    """A logarithmic axis with plain numbers."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("")


def knob_figure(
    parts: Mapping[str, Sequence[Episodes]], learned: str, colours: Mapping[str, str], config: EnvConfig
) -> Figure:
    """A panel for each knob: medians of the main policies in colour, those of all others thin and grey.

    The learned policy has its band from 10 % to 90 %. Of an opponent that was tuned several times, each tuning has a
    line, the first in colour: they may go opposite ways, so a median over them would show no policy at all.
    """
    rows = -(-(len(config.knobs) + 1) // 2)  # the legend has a panel's place
    figure = Figure(figsize=(WIDTH, max(SHARED_HEIGHT, 1.45 * rows)), layout="constrained")
    axes = panels_of(figure, [knob_label(name) for name in config.knobs])
    knobs = KnobSet(config, torch.device("cpu")).controlled
    whole = Episodes.join(parts[learned], 0)
    lines = [(e, GREY, 0.7, 1) for name, several in parts.items() for e in several if name not in colours]
    lines += [(e, GREY, 0.7, 1) for name in colours if name != learned for e in parts[name][1:]]
    lines += [(parts[name][0], colour, 1.4, 3) for name, colour in colours.items() if name != learned]
    lines.append((whole, colours[learned], 2.2, 4))
    for index, (axis, knob) in enumerate(zip(axes, knobs, strict=True)):

        def values(episodes: Episodes, index: int = index) -> NDArray[Any]:  # [E, T]
            return knobs[index].decode(torch.from_numpy(episodes.coordinates[:, :, index])).numpy()

        for episodes, colour, width, above in lines:
            middle = np.median(values(episodes), axis=0)
            axis.plot(updates_of(middle, config, 1), middle, color=colour, lw=width, zorder=above)
        low, high = np.quantile(values(whole), BAND, axis=0)
        axis.fill_between(updates_of(low, config, 1), low, high, color=colours[learned], alpha=0.2, lw=0)
        scale_knob_axis(axis, knob)
    named = {plain(name): colour for name, colour in colours.items()} | {"all others": GREY}
    handles = [Line2D([], [], color=colour, lw=2, label=name) for name, colour in named.items()]
    where = figure.axes[len(axes)] if len(figure.axes) > len(axes) else axes[0]
    where.legend(handles=handles, fontsize=SMALLEST, loc="center", frameon=False)
    return figure


def curves_figure(
    episodes: Mapping[str, Episodes], learned: str, colours: Mapping[str, str], config: EnvConfig, metric: str
) -> Figure:
    """The metric over the run: medians, and the learned policy's quartiles."""
    figure = Figure(figsize=(WIDTH, SHARED_HEIGHT), layout="constrained")
    axis = figure.subplots()
    for name, e in episodes.items():
        curves = np.exp(e.score)
        updates, mine = updates_of(curves, config), name == learned
        style: dict[str, Any] = {"ls": "--"} if name.endswith("replay") else {}
        middle = np.median(curves, axis=0)
        axis.plot(updates, middle, color=colours[name], label=plain(name), lw=2.2 if mine else 1.4, **style)
        if mine:
            low, high = np.quantile(curves, (0.25, 0.75), axis=0)
            axis.fill_between(updates, low, high, color=colours[name], alpha=0.15, lw=0)
    scale_metric_axis(axis)
    axis.set_xlabel("GAN updates", fontsize=SMALLEST)
    axis.set_ylabel(f"{metric}, log scale", fontsize=SMALLEST)
    axis.tick_params(which="both", labelsize=SMALLEST)
    axis.legend(fontsize=SMALLEST)
    axis.grid(alpha=0.3)
    return figure


def read_samples(path: Path) -> Float32:
    """The samples of a policy's first runs, [runs, moments, count, *shape].

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return np.load(path)  # type: ignore[no-any-return]
    except (EOFError, OSError, ValueError) as error:
        mend = f"delete {path.stem}.npz of evaluations/{path.parent.name}, and the same command plays it again"
        raise DataError(f"{path} can't be read ({error}): {mend}") from error


def sample_figure(
    played: Mapping[str, tuple[Path, Episodes]], learned: str, config: EnvConfig, instances: int
) -> Figure:
    """Samples at four moments of one test run, over held-out data, with the metric then: a row for each policy.

    Args:
        played: by policy, its saved samples and the episodes that they are of.
        learned: the learned policy; of the runs whose samples are saved, its median one is drawn.
        config: of the environment.
        instances: number of test instances, which runs meet in turn.
    """
    kept = {name: read_samples(path) for name, (path, _) in played.items()}
    runs, count = kept[learned].shape[:2]
    run = int(np.argsort(played[learned][1].final[:runs])[runs // 2])
    dataset = InstanceSet(config, "test")[run % instances].dataset
    points = kept[learned].ndim == 4  # [runs, moments, count, 2]
    data = load_dataset(dataset, config.data_root, config.image_size).held_out[:400].numpy() if points else None
    size = (WIDTH, 1.4 * len(played) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(played), count, squeeze=False)
    for row, (name, (_, e)) in zip(axes, played.items(), strict=True):
        row[0].set_title(plain(name), fontsize=SMALLEST, loc="left")
        for axis, samples, decision in zip(row, kept[name][run], moments_of(e.rewards.shape[1]), strict=True):
            draw_samples(axis, samples, data)
            behind = {"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 1}
            score, where = f"{np.exp(e.score[run, decision + 1]):.2g}", axis.transAxes
            axis.text(0.03, 0.03, score, transform=where, fontsize=SMALLEST, bbox=behind)
    for axis, decision in zip(axes[-1], moments_of(config.num_decisions), strict=True):
        axis.set_xlabel(f"{(decision + 1) * config.updates_per_decision}\nupdates", fontsize=SMALLEST)
    return figure


# --- which policies are shown, and in which colour: the same in all pictures ---


def main_policies(summary: Summary) -> list[str]:
    """The learned one, the best opponent, constants and a usual schedule, as far as they played."""
    return _there(summary, [summary.learned, summary.strongest, CONSTANTS, USUAL])


def shown(summary: Summary) -> list[str]:
    """The main policies; then the learned one's mean trajectory, the best that is told more, the tuned schedule."""
    told = [name for name, row in opponents(summary).items() if row.told]
    return _there(summary, [*main_policies(summary), summary.mean_trajectory, *told[:1], BEST])[:MOST]


def colours(summary: Summary) -> dict[str, str]:
    """A colour for each policy that is shown."""
    return dict(zip(shown(summary), COLOURS, strict=False))


def rivals(summary: Summary) -> list[str]:
    """Whom the learned policy's gains are drawn over: all that are shown, then others, tuned ones first.

    They are ordered by that gain, the least first.
    """
    known, against = opponents(summary), summary.settings[HELD_OUT].rows[summary.learned].against
    first = [name for name in shown(summary) if name in known]
    others = [name for name in known if name not in first and "random" not in name]
    others = sorted(others, key=lambda name: known[name].found.gan_updates is None)  # of those alike the best first
    return sorted([*first, *others][:MOST], key=lambda name: against[name].gain.value)


def opponents(summary: Summary) -> dict[str, Row]:
    """All that the learned policy is compared with, without the oracle and its own runs yoked: the best first."""
    rows = summary.settings[HELD_OUT].rows
    known = [name for name in rows[summary.learned].against if name != "oracle" and not name.endswith(YOKED_SUFFIX)]
    return {name: rows[name] for name in sorted(known, key=lambda name: rows[name].iqm.value)}


def _there(summary: Summary, names: list[str | None]) -> list[str]:
    """The names without what didn't play and without repetitions."""
    rows = summary.settings[HELD_OUT].rows
    return [name for name in dict.fromkeys(names) if name is not None and name in rows]
