"""One picture of a run: its samples, beside the curves so far of the metric and the knobs. Needs Pillow alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gan_env.mdp.knobs import DynamicParameter
from gan_env.records import Float32

WIDTH, HEIGHT = 768, 432
"""Of a picture, in pixels: multiples of 16, as video codecs want them."""
MARGIN, HEADER = 12, 32
SIDE = HEIGHT - HEADER - MARGIN
"""Of the square of samples."""
SCALE = 2
"""Everything is drawn larger by this factor and then reduced, so that lines are smooth."""
POINTS = 512
"""Samples and data points that a scatter shows."""
INK, PALE, FRAME, PAPER, PANEL = "#222222", "#8a8a8a", "#d8d8d8", "white", "#f7f7f7"
DATA_COLOUR, SAMPLE_COLOUR, METRIC_COLOUR, KNOB_COLOUR, ALARM = "#c4c4c4", "#1f77b4", "#d1495b", "#1f77b4", "#b00020"


@dataclass(frozen=True)
class Panel:
    """One curve: its `heights` in [0, 1] (NaN: not yet), its latest value, and what the edges stand for.

    With `steps` there is one height for each of T intervals, else T + 1, those before and after each.
    """

    name: str
    heights: Float32
    value: str
    low: str
    high: str
    colour: str
    steps: bool = True


def shown(shape: tuple[int, ...]) -> int:
    """How many samples of this shape a picture shows: points, or the images of a square grid."""
    return POINTS if len(shape) == 1 else _cells(shape[-1])[0] ** 2


def draw_run(
    title: str,
    state: str,
    samples: Float32,
    data: Float32 | None,
    log_metric: Float32,
    knobs: Mapping[str, tuple[DynamicParameter, Float32]],
) -> NDArray[np.uint8]:
    """The picture of one run, [HEIGHT, WIDTH, 3].

    Args:
        title: what is trained.
        state: how far it has come; "crashed" in it is shown as an alarm.
        samples: points [S, 2], or images [S, C, H, W] in [-1, 1].
        data: points [P, 2] that are drawn below the samples; None for images.
        log_metric: of the untrained generator and after each of the T decisions, [T + 1]; NaN: not yet.
        knobs: name -> the knob and its value during each interval, [T]; NaN: not yet.
    """
    picture = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text(_at(MARGIN, HEADER / 2), title, INK, _font(15), anchor="lm")
    alarm = ALARM if "crashed" in state else INK
    draw.text(_at(WIDTH - MARGIN, HEADER / 2), state, alarm, _font(15), anchor="rm")
    if data is None:
        picture.paste(_grid(samples), (MARGIN * SCALE, HEADER * SCALE))
    else:
        _scatter(draw, samples, data)
    panels = [_metric_panel(log_metric), *(_knob_panel(knob, values) for knob, values in knobs.values())]
    left, width = SIDE + 2 * MARGIN, WIDTH - SIDE - 3 * MARGIN
    columns = 1 if len(panels) <= 4 else 2 if len(panels) <= 10 else 3
    rows = -(-len(panels) // columns)
    across, down = (width + MARGIN) / columns, (SIDE + 6) / rows
    for index, panel in enumerate(panels):  # down the columns
        column, row = divmod(index, rows)
        _draw_panel(draw, panel, left + column * across, HEADER + row * down, across - MARGIN, down - 6)
    return np.asarray(picture.reduce(SCALE))


def _metric_panel(log_metric: Float32) -> Panel:
    """The metric's curve, from its lowest to its highest value so far."""
    known = log_metric[np.isfinite(log_metric)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    spread = max(high - low, 0.1)  # noise does not fill the panel
    middle = (low + high) / 2
    low, high = middle - 0.55 * spread, middle + 0.55 * spread
    value = f"{known[-1]:.3f}" if len(known) else ""
    heights = np.asarray((log_metric - low) / (high - low), np.float32)
    return Panel("log metric", heights, value, f"{low:.2f}", f"{high:.2f}", METRIC_COLOUR, False)


def _knob_panel(knob: DynamicParameter, values: Float32) -> Panel:
    """A knob's curve over its whole range, on its own scale."""
    heights = knob.encode(torch.from_numpy(values)).numpy()
    known, (low, high) = values[np.isfinite(values)], knob.bounds
    value = f"{known[-1]:.3g}" if len(known) else ""
    return Panel(knob.name, heights, value, f"{low:g}", f"{high:g}", KNOB_COLOUR)


def _draw_panel(draw: ImageDraw.ImageDraw, panel: Panel, x: float, y: float, width: float, height: float) -> None:
    """Name and latest value above a box with the curve in it, within the given rectangle."""
    label = 18
    text = _fitting_font(f"{panel.name}  {panel.value}", width)
    draw.text(_at(x, y + label / 2), panel.name, INK, text, anchor="lm")
    draw.text(_at(x + width, y + label / 2), panel.value, panel.colour, text, anchor="rm")
    top, bottom = y + label, y + height
    draw.rectangle([*_at(x, top), *_at(x + width, bottom)], PANEL, FRAME, SCALE)
    draw.text(_at(x + 4, top + 3), panel.high, PALE, _font(9), anchor="lt")
    draw.text(_at(x + 4, bottom - 3), panel.low, PALE, _font(9), anchor="lb")
    first, interval = x + 36, (width - 44) / (len(panel.heights) - (not panel.steps))  # beside the edges' labels
    known = panel.heights[np.isfinite(panel.heights)].tolist()
    places = [(first + interval * index, bottom - 5 - (bottom - top - 10) * at) for index, at in enumerate(known)]
    if panel.steps:
        places = [corner for px, py in places for corner in ((px, py), (px + interval, py))]
    points = [_at(*place) for place in places]
    if len(points) > 1:
        draw.line(points, panel.colour, 2 * SCALE, joint="curve")
    for px, py in points[-1:]:
        radius = 3 * SCALE
        draw.ellipse([px - radius, py - radius, px + radius, py + radius], panel.colour)


def _scatter(draw: ImageDraw.ImageDraw, samples: Float32, data: Float32) -> None:
    """Samples [S, 2] over data [P, 2], both within a square of 2.4."""
    draw.rectangle([*_at(MARGIN, HEADER), *_at(MARGIN + SIDE, HEADER + SIDE)], PANEL, FRAME, SCALE)
    for points, colour, radius in ((data, DATA_COLOUR, 2.2 * SCALE), (samples, SAMPLE_COLOUR, 1.7 * SCALE)):
        inside = points[(np.abs(points) < 1.17).all(axis=1)]  # which no NaN is
        places = (inside * [1, -1] / 2.4 + 0.5) * SIDE + [MARGIN, HEADER]
        for px, py in (places * SCALE).tolist():
            draw.ellipse([px - radius, py - radius, px + radius, py + radius], colour)


def _grid(samples: Float32) -> Image.Image:
    """Images [S, C, H, W] in [-1, 1] as a square grid, each pixel a square of whole size."""
    side, zoom = _cells(samples.shape[-1])
    kept = np.nan_to_num(samples[: side * side].clip(-1, 1), nan=-1)  # those of a crashed run may be anything
    whole = tiled(((kept + 1) * 127.5).astype(np.uint8)).repeat(zoom, axis=0).repeat(zoom, axis=1)
    picture = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE), PAPER)
    image = Image.fromarray(whole.squeeze()).convert("RGB")
    picture.paste(image, ((picture.width - image.width) // 2, (picture.height - image.height) // 2))
    return picture


def tiled(images: NDArray[Any]) -> NDArray[Any]:
    """Images [S, C, H, W] as a square grid, as many as fill one: [side x H, side x W, C]."""
    side = math.isqrt(len(images))
    channels, height, width = images.shape[1:]
    cells = images[: side * side].reshape(side, side, channels, height, width)
    return cells.transpose(0, 3, 1, 4, 2).reshape(side * height, side * width, channels)


def _cells(size: int) -> tuple[int, int]:
    """For images of `size` pixels: how many there are along the grid, and how large a pixel is drawn."""
    zoom = max(1, round(SIDE * SCALE / (8 * size)))
    return max(1, SIDE * SCALE // (zoom * size)), zoom


def _at(x: float, y: float) -> tuple[float, float]:
    """A place in the picture, where it is drawn."""
    return x * SCALE, y * SCALE


def _fitting_font(text: str, width: float) -> Any:
    """The largest font in which the text is no wider than that; the smallest where none is."""
    sizes = range(13, 7, -1)
    return next((_font(size) for size in sizes if _font(size).getlength(text) <= width * SCALE), _font(sizes[-1]))


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size * SCALE)
