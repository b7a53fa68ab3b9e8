"""Pictures of a report: what is drawn is what was given, and it can be read on a phone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from studies import INSTANCE, episodes, gain

from agents.page.figures import failures_figure, gains_figure, with_knobs
from agents.study.pictures import SMALLEST, WIDTH, colors_of, curves_figure, knob_figure, sample_figure
from agents.study.records import Failure, Gain
from gan_env.config import env_config
from gan_env.evaluation.pictures import plt
from gan_env.evaluation.rollout import Episodes

CONFIG = env_config(preset="points", knobs=("instance_noise", "r1", "lr_g"), num_decisions=2)
METRIC = "Frechet distance (classifier of tiles of photographs, 64 features)"
FAILURE = Failure(1, INSTANCE, gain=-0.5, standard_error=None, learned=0.0, opponent=-0.5, crashes=0)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def run() -> Episodes:
    """Two instances, a run on each."""
    chosen = np.linspace(0, 1, 2 * 2 * 3, dtype=np.float32).reshape(2, 2, 3)
    return replace(episodes([[0.0, -0.5, -1.0]] * 2), coordinates=chosen)


def around(value: float) -> Gain:
    return gain(value, value - 0.1, value + 0.1)


def figure(kind: str, folder: Path) -> Figure:
    """One of all figures of a report, with long names in it."""
    names = ["ppo", "best_schedule", "recurrent_ppo_rates_replay"]
    played = {name: run() for name in names}
    match kind:
        case "knobs":
            return knob_figure({name: [e] for name, e in played.items()}, "ppo", CONFIG)
        case "curves":
            return curves_figure(played, "ppo", CONFIG, METRIC)
        case "gains":
            title = "a_setting:\ngain over the tuned schedule of learning rates"
            return gains_figure({name: around(0.1) for name in names}, "ppo", title, names)
        case "failures":
            return failures_figure(played, [FAILURE] * 2, 2, CONFIG)
        case _:
            files = {name: folder / f"{name}.npy" for name in names}
            for path in files.values():
                np.save(path, np.zeros((2, 4, 10, 2), np.float32))
            return sample_figure(files, names, "ppo", run(), CONFIG, 2)


@pytest.mark.parametrize("kind", ["knobs", "curves", "gains", "failures", "samples"])
def test_every_picture_can_be_read_on_a_phone(kind: str, tmp_path: Path) -> None:
    """None is so wide that a phone makes it small, no text is small, and none is cut off at a side."""
    drawn = figure(kind, tmp_path)
    assert drawn.get_figwidth() == WIDTH
    assert min(text.get_fontsize() for text in drawn.findobj(Text) if text.get_text()) >= SMALLEST
    drawn.canvas.draw()
    box = drawn.get_tightbbox()  # in inches
    assert box.x0 >= 0 and box.x1 <= WIDTH


@pytest.mark.parametrize("policies", [2, 3, 4, 6])
def test_samples_of_a_policy_are_drawn_once(policies: int, tmp_path: Path) -> None:
    """The learned one, the tuned schedule, the best of the others, and the worst."""
    names = ["ppo", "best_schedule", "a", "b", "c", "d"][:policies]
    for name in names:
        np.save(tmp_path / f"{name}.npy", np.zeros((2, 4, 10, 2), np.float32))
    files = {name: tmp_path / f"{name}.npy" for name in names}
    drawn = sample_figure(files, names, "ppo", run(), CONFIG, 2)
    rows = [title for axis in drawn.axes if (title := axis.get_title(loc="left"))]
    assert rows == (names if policies <= 4 else ["ppo", "best_schedule", "a", "d"])


def test_what_is_far_worse_does_not_press_the_others_together_and_is_a_number_at_the_edge() -> None:
    gains = {"ppo": around(0.05), "random": around(-1.46), "tuned": around(-0.2), "oracle": around(0.4)}
    (axis,) = gains_figure(gains, "ppo", "gain", ("ppo", "tuned", "one that did not play")).axes
    low, high = axis.get_xlim()
    assert -0.4 < low < -0.3 and 0.5 < high < 0.6
    assert [text.get_text() for text in axis.get_yticklabels()] == ["random", "tuned", "ppo", "oracle"]
    assert [(text.get_text(), text.get_position()[1]) for text in axis.texts] == [("\N{LEFTWARDS ARROW} -1.46", 0)]


def test_a_gain_that_is_far_left_but_not_told_apart_keeps_its_around() -> None:
    gains = {"ppo": around(0.05), "unsure": gain(-0.5, -1.2, 0.2)}
    (axis,) = gains_figure(gains, "ppo", "gain", ("ppo",)).axes
    assert axis.get_xlim()[0] > -0.5 and not axis.texts
    assert [0.2 in line.get_xdata() for line in axis.lines].count(True) == 2  # thin and thick


def test_a_gain_has_both_of_its_intervals() -> None:
    (axis,) = gains_figure({"ppo": gain(0.5, 0.25, 0.75, over_instances=(0.0, 1.0))}, "ppo", "gain", ("ppo",)).axes
    drawn = {tuple(line.get_xdata()): line.get_linewidth() for line in axis.lines}
    assert drawn[(0.0, 1.0)] < drawn[(0.25, 0.75)]


def test_knobs_are_drawn_by_their_names_and_not_where_a_policy_doesn_t_move_them() -> None:
    """Beside a learned policy that moves others, or the same in another order."""
    shown = with_knobs(run(), ("instance_noise", "r1", "lr_g"), ("lr_g", "augment", "r1")).coordinates
    np.testing.assert_array_equal(shown[..., 0], run().coordinates[..., 2])
    np.testing.assert_array_equal(shown[..., 2], run().coordinates[..., 1])
    assert np.isnan(shown[..., 1]).all()


@pytest.mark.parametrize("kind", ["knobs", "failures"])
def test_a_policy_of_other_knobs_has_lines_where_it_moves_one(kind: str) -> None:
    other = with_knobs(run(), ("r1",), CONFIG.knobs)
    played = {"ppo": run(), "best_schedule": other}
    failed = [replace(FAILURE, index=0)]
    drawn = (
        knob_figure({name: [e] for name, e in played.items()}, "ppo", CONFIG)
        if kind == "knobs"
        else failures_figure(played, failed, 2, CONFIG)
    )
    panels = {axis.get_title(): axis for axis in drawn.axes}
    there = {n: [np.isfinite(line.get_ydata()).all() for line in panels[n].lines] for n in CONFIG.knobs}
    assert all(there["r1"]) and {*there["lr_g"]} == {*there["instance_noise"]} == {True, False}


def test_no_policy_has_a_pale_tone_of_another_one_s_colour() -> None:
    """Of up to ten; and in the curves the colours are those of the knobs' lines."""
    names = [f"policy_{i}" for i in range(10)]
    assert list(colors_of(names).values()) == list(plt.get_cmap("tab10").colors)
    (axis,) = curves_figure({name: run() for name in names}, names[0], CONFIG, METRIC).axes
    assert [line.get_color() for line in axis.lines] == list(colors_of(names).values())


def test_policies_that_decide_at_other_moments_are_drawn_over_the_same_updates() -> None:
    """Here one has four decisions of half the length."""
    often = replace(episodes([[0.0, -0.2, -0.5, -0.7, -1.0]] * 2), coordinates=np.full((2, 4, 3), 0.5, np.float32))
    played, budget = {"ppo": run(), "often": often}, CONFIG.num_decisions * CONFIG.updates_per_decision
    (curves,) = curves_figure(played, "ppo", CONFIG, METRIC).axes
    panel = knob_figure({name: [e] for name, e in played.items()}, "ppo", CONFIG).axes[0]
    for axis in (curves, panel):
        assert [len(line.get_xdata()) for line in axis.lines] == [2 + (axis is curves), 4 + (axis is curves)]
        assert {line.get_xdata()[-1] for line in axis.lines} == {budget}
