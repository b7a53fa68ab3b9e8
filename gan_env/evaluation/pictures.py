"""Pictures of single runs: samples, curves, and the contact sheet that shows several policies side by side."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_env.errors import ConfigError, needs, require
from gan_env.mdp.knobs import DynamicParameter, knob_table
from gan_env.mdp.rendering import tiled
from gan_env.records import Float32

with needs("study"):
    from matplotlib import colormaps
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import imread
    from matplotlib.ticker import LogLocator, SymmetricalLogLocator


PANELS: dict[str, tuple[str, ...]] = {
    "log metric": ("score", "log_metric"),
    "diversity": ("collapse", "coverage", "modes", "high_quality"),
    "loss": ("loss_d", "loss_g"),
    "logits of D, symlog": ("obs_logit_real", "obs_logit_fake", "obs_clean_train"),
    "E[sign D]": ("obs_sign_real", "obs_sign_fake"),
    "gradient norm, log10": ("obs_grad_d", "obs_grad_g"),
}
"""Panel of the curves -> the columns of `decisions.csv` that it shows, if the file has them."""
_PAIRS = colormaps["tab20"].colors  # type: ignore[attr-defined]  # a strong colour, its pale one, the next strong one...
RUN_COLOURS = (*_PAIRS[::2], *_PAIRS[1::2])
"""One per run of a contact sheet: the ten strong ones first."""


def read_decisions(folder: Path) -> dict[str, Float32]:
    """The numbers of a run folder's `decisions.csv`: column name -> [N, T].

    Raises:
        ConfigError: the file is damaged.
    """
    try:
        with (folder / "decisions.csv").open() as file:
            rows = list(csv.DictReader(file))
        runs = len({row["episode"] for row in rows})
        numbers = [name for name in rows[0] if name != "instance"]
        return {name: np.array([float(row[name]) for row in rows], np.float32).reshape(runs, -1) for name in numbers}
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        how = "train that run again, or leave it out"
        raise ConfigError(f"{folder} has a damaged decisions.csv ({error!r}): {how}") from error


def draw_samples(axis: Axes, samples: Float32, data: Float32 | None) -> None:
    """Points [S, 2] as a scatter over the data, images [S, C, H, W] in [-1, 1] (data None) as a square grid."""
    axis.set(xticks=[], yticks=[])
    if data is not None:
        axis.scatter(data[:, 0], data[:, 1], s=2, color="lightgray")
        axis.scatter(samples[:, 0], samples[:, 1], s=3)
        axis.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
        return
    shown = ((tiled(samples) + 1) / 2).clip(0, 1).squeeze()
    axis.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def samples_figure(samples: Float32, data: Float32 | None, titles: list[str]) -> Figure:
    """One square of samples per title: [N, S, *shape]."""
    size = (4.5 * len(titles), 4.7)
    figure = Figure(size, dpi=130, layout="constrained")
    for axis, title, some in zip(figure.subplots(1, len(titles), squeeze=False)[0], titles, samples, strict=True):
        draw_samples(axis, some, data)
        axis.set_title(title, fontsize=9)
    return figure


def scale_knob_axis(axis: Axes, knob: DynamicParameter) -> None:
    """Gives the axis the knob's own scale: logarithmic, down to zero where the knob reaches it, or linear.

    Numbers are plain: the exponents of powers of ten are too small to be read on a phone.
    """
    if knob.scale != "log":
        return
    if knob.floor:
        axis.set_yscale("symlog", linthresh=knob.floor)
        low, high = axis.get_ylim()
        least = low, 4 * knob.floor
        if high < 30 * knob.floor:
            axis.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=knob.floor, subs=(1.0, 3.0)))
    else:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axis.yaxis.set_minor_formatter("")
        middle = math.sqrt(math.prod(axis.get_ylim()))
        least = middle / 3, middle * 3
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, least[0]), max(high, least[1]))  # so far that it has several numbers
    axis.yaxis.set_major_formatter("{x:g}")


def curves_figure(decisions: Mapping[str, Float32], summary: Mapping[str, Any]) -> Figure:
    """Knobs, losses, gradients and metric of one run folder over its GAN updates; one line per seed."""
    knobs = [name for name in decisions if name.startswith("knob_")]
    panels = {title: [n for n in names if n in decisions] for title, names in PANELS.items()}
    panels = {title: names for title, names in panels.items() if names} | {name: [name] for name in knobs}
    rows = -(-len(panels) // 3)
    figure = Figure((13.8, 3.1 * rows), dpi=110, layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False)
    for axis, (title, names) in zip(axes.flat, panels.items(), strict=False):
        for color, name in zip(("C0", "C1", "C2", "C3"), names, strict=False):
            lines = axis.plot(decisions["updates"].T, decisions[name].T, color=color, lw=1.4, marker=".", ms=3)
            lines[0].set_label(name.removeprefix("obs_"))
        _finish(axis, title, summary["real"] if title == "log metric" else None)
    for axis in list(axes.flat)[len(panels) :]:
        axis.remove()
    figure.suptitle(summary["metric"], fontsize=9)
    return figure


def contact_sheet(runs: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> Figure:
    """All runs side by side: real data and final samples above, metric and knobs over the GAN updates below.

    Args:
        runs: name -> run folder and its `summary.json`; all of one metric, data set and image size.

    Raises:
        ConfigError: a run lacks its pictures.
    """
    for folder, _ in runs.values():
        there = (folder / "samples/real.png").is_file() and any(folder.glob("samples/updates_*.png"))
        require(there, "pictures", str(folder / "samples"), "real.png and updates_*.png: train that run again")
    decisions = {name: read_decisions(folder) for name, (folder, _) in runs.items()}
    knobs = list(dict.fromkeys(column for d in decisions.values() for column in d if column.startswith("knob_")))
    width = max(2.6 * (len(runs) + 1), 4.0 * (len(knobs) + 1))
    figure = Figure((width, width / (len(runs) + 1) + 4.2), dpi=110, layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[width / (len(runs) + 1), 4.0])[:, 0]
    first_folder, first = next(iter(runs.values()))
    pictures = {f"real\nreal against real {first['real']:.3g}": first_folder / "samples" / "real.png"}
    for name, (folder, summary) in runs.items():
        final = np.nanmedian(np.array(summary["final"], np.float64))
        pictures[f"{name}\n{final:.3g}"] = max(folder.glob("samples/updates_*.png"))
    for axis, (title, path) in zip(above.subplots(1, len(pictures)), pictures.items(), strict=True):
        axis.imshow(imread(path))
        axis.set_title(title, fontsize=8)
        axis.axis("off")
    for axis, column in zip(np.atleast_1d(below.subplots(1, len(knobs) + 1)), ["score", *knobs], strict=True):
        for place, (name, d) in enumerate(decisions.items()):  # a run has one colour, whatever knobs the others have
            if column in d:
                line = np.median(d["updates"], axis=0), np.nanmedian(d[column], axis=0)
                axis.plot(*line, color=RUN_COLOURS[place % len(RUN_COLOURS)], label=name, lw=1.6)
        _finish(axis, column, first["real"])
    figure.suptitle(first["metric"], fontsize=9)
    return figure


def _finish(axis: Axes, title: str, real: float | None) -> None:
    """Title and grid of a panel; the scale of a knob, else a legend, and a line at the metric of real data (`real`)."""
    axis.set(title=title.removeprefix("knob_"), xlabel="GAN updates")
    axis.grid(alpha=0.3)
    if title.startswith("knob_"):
        scale_knob_axis(axis, knob_table()[title.removeprefix("knob_")])
        return
    if real is not None:
        axis.axhline(np.log(real), color="black", ls=":", lw=1, label="real against real")
    axis.legend(fontsize=7)
