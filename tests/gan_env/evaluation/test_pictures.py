"""Pictures: what is drawn is what was given."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from runs import COLUMNS, SUMMARY, write_run

from gan_env.evaluation.pictures import (
    RUN_COLOURS,
    contact_sheet,
    curves_figure,
    draw_samples,
    read_decisions,
    samples_figure,
    scale_knob_axis,
)
from gan_env.mdp.knobs import knob_table


def test_decisions_come_back(tmp_path: Path) -> None:
    decisions = read_decisions(write_run(tmp_path / "run", COLUMNS))
    assert "instance" not in decisions
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(decisions[name], np.array(values, np.float32))


def test_images_are_a_square_grid_in_order() -> None:
    """Nine images of one grey each; a tenth does not fit."""
    greys = np.linspace(-1, 1, 10, dtype=np.float32)
    axis = Figure().subplots()
    draw_samples(axis, np.broadcast_to(greys[:, None, None, None], (10, 1, 4, 4)), None)
    shown = np.asarray(axis.images[0].get_array())
    np.testing.assert_allclose(shown[::4, ::4].ravel(), (greys[:9] + 1) / 2, atol=1e-6)
    assert shown.shape == (12, 12)


def test_colour_images_keep_their_colours() -> None:
    samples = np.zeros((4, 3, 2, 2), np.float32)
    samples[:, 0], samples[:, 2] = 1, -1
    axis = Figure().subplots()
    draw_samples(axis, samples, None)
    np.testing.assert_allclose(np.asarray(axis.images[0].get_array())[0, 0], [1, 0.5, 0])


def test_points_lie_over_the_data() -> None:
    samples, data = np.zeros((5, 2), np.float32), np.ones((7, 2), np.float32)
    axis = Figure().subplots()
    draw_samples(axis, samples, data)
    assert [len(c.get_offsets()) for c in axis.collections] == [7, 5]


def test_every_row_has_a_square_of_its_own() -> None:
    figure = samples_figure(np.zeros((2, 9, 1, 4, 4), np.float32), None, ["seed 0", "seed 1"])
    assert [axis.get_title() for axis in figure.axes] == ["seed 0", "seed 1"]


def test_curves_show_what_is_there_alone(tmp_path: Path) -> None:
    """Metric, loss and the knob: a panel each, one line per seed; what was not observed has none."""
    figure = curves_figure(read_decisions(write_run(tmp_path / "run", COLUMNS)), SUMMARY)
    panels = {axis.get_title(): axis for axis in figure.axes}
    assert set(panels) == {"log metric", "loss", "r1"}
    np.testing.assert_allclose(panels["r1"].lines[0].get_ydata(), [1, 2, 3])
    np.testing.assert_allclose(panels["loss"].lines[1].get_xdata(), [50, 100, 150])
    real = panels["log metric"].lines[-1]
    assert real.get_ydata()[0] == np.log(0.5)
    assert panels["r1"].get_yscale() == "symlog"  # its range begins at zero


@pytest.mark.parametrize(
    ("knob", "low", "high", "labels"),
    [("lr_g", 0.25, 8, {"0.3", "1", "3"}), ("r1", 0.0, 5, {"0", "0.1", "1"})],
)
def test_the_axis_of_a_knob_has_plain_numbers(knob: str, low: float, high: float, labels: set[str]) -> None:
    """Of an axis that is shorter than a decade too."""
    figure = Figure()
    axis = figure.subplots()
    axis.plot([0, 1], [low, high])
    scale_knob_axis(axis, knob_table()[knob])
    figure.draw_without_rendering()
    ticks = axis.get_yticklabels(which="both")
    shown = {tick.get_text() for tick in ticks if low <= tick.get_position()[1] <= high}
    assert labels <= shown and not any("10^" in text for text in shown)


def test_a_contact_sheet_has_all_runs_and_all_their_knobs(tmp_path: Path) -> None:
    other = {**COLUMNS, "knob_augment": COLUMNS["knob_r1"]}
    del other["knob_r1"]
    runs = {
        "one": (write_run(tmp_path / "one", COLUMNS), SUMMARY),
        "two": (write_run(tmp_path / "two", other), SUMMARY | {"final": [None, 4.0]}),
    }
    figure = contact_sheet(runs)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["real\nreal against real 0.5", "one\n2", "two\n4", "score", "r1", "augment"]
    lines = figure.axes[3].lines
    np.testing.assert_allclose(lines[0].get_ydata(), [2, 1.25, 0.75])  # the median of the seeds
    assert [line.get_label() for line in lines] == ["one", "two", "real against real"]
    (alone,) = figure.axes[5].lines  # augment, which only the second run has
    assert alone.get_color() == lines[1].get_color() != lines[0].get_color()


def test_twenty_runs_have_twenty_colours(tmp_path: Path) -> None:
    assert len(set(RUN_COLOURS)) == 20
    folder = write_run(tmp_path / "run", COLUMNS)
    figure = contact_sheet({str(i): (folder, SUMMARY) for i in range(12)})
    assert len({line.get_color() for line in figure.axes[13].lines}) == 13  # with that of real against real


def test_a_notebooks_own_pictures_stay_inline() -> None:
    """Importing the module chooses no backend."""
    program = "import matplotlib, gan_env.evaluation.pictures; print(matplotlib.get_backend())"
    environment = {**os.environ, "MPLBACKEND": "svg"}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "svg"
