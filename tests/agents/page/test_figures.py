"""Pictures of a report: what is drawn is what was given, and it can be read on a phone."""

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from studies import INSTANCE, comparison, episodes, gain, row, summary

from agents.page.figures import failures_figure, png, settings_figure, with_knobs
from agents.page.single_runs import draw_runs
from agents.study.names import knob_label, plain
from agents.study.pictures import (
    COLOURS,
    GREY,
    SMALLEST,
    WIDTH,
    curves_figure,
    gains_figure,
    knob_figure,
    sample_figure,
)
from agents.study.records import Failure, SettingSummary
from gan_env import Instance
from gan_env.config import env_config
from gan_env.evaluation.comparison import Gain
from gan_env.evaluation.rollout import Episodes

CONFIG = env_config(preset="points", knobs=("instance_noise", "r1", "lr_g"), num_decisions=2)
METRIC = "Frechet distance"
FAILURE = Failure(1, INSTANCE, gain=-0.5, standard_error=None, learned=0.0, opponent=-0.5, crashes=0)
INSTANCES = [Instance(**INSTANCE), Instance(**INSTANCE | {"lr_g": 0.1})]


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


NAMES = ("ppo", "best_schedule", "recurrent_ppo_rates_replay")


def knobs(**played: Episodes) -> Figure:
    """Each policy was tuned or trained once; all of them are main ones."""
    return knob_figure(
        {name: [e] for name, e in played.items()}, "ppo", dict(zip(played, COLOURS, strict=False)), CONFIG
    )


def samples(folder: Path) -> Figure:
    played = {name: (folder / f"{name}.npy", run()) for name in NAMES}
    for path, _ in played.values():
        np.save(path, np.zeros((2, 4, 10, 2), np.float32))
    return sample_figure(played, "ppo", CONFIG, 2)


def settings() -> Figure:
    """The learned policy doesn't play in one of them, where another learner does."""
    found = summary()
    held_out = found.settings["held_out"].rows
    held_out["three_shapes"] = row(against={"ppo": comparison(), "best_schedule": comparison()})
    held_out["sac"] = held_out["three_shapes"]
    elsewhere = {name: held_out[name] for name in ("three_shapes", "best_schedule", "fixed")}
    found.settings["unseen_shapes"] = SettingSummary("a distance", elsewhere)
    return settings_figure(found)


def figure(kind: str, folder: Path) -> Figure:
    """One of all figures of a report, with long names in it."""
    played = {name: run() for name in NAMES}
    match kind:
        case "knobs":
            return knobs(**played)
        case "curves":
            return curves_figure(played, "ppo", dict(zip(NAMES, COLOURS, strict=False)), CONFIG, METRIC)
        case "gains":
            return gains_figure({plain(name): around(0.1) for name in NAMES}, "final metric lower by … %")
        case "settings":
            return settings()
        case "failures":
            return failures_figure(dict(list(played.items())[:2]), [FAILURE] * 2, 2, CONFIG)
        case "single runs":
            seen = {"grad_g": np.ones((2, 3), np.float32), "loss_g": np.ones((2, 3), np.float32)}
            return draw_runs(run(), INSTANCES, seen, CONFIG)
        case _:
            return samples(folder)


KINDS = ("gains", "knobs", "curves", "samples", "settings", "failures", "single runs")


def texts(drawn: Figure) -> list[Text]:
    return [text for text in drawn.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_can_be_read_on_a_phone(kind: str, tmp_path: Path) -> None:
    """None is so wide that a phone makes it small, no text is small, and none is cut off at a side."""
    drawn = figure(kind, tmp_path)
    assert drawn.get_figwidth() == WIDTH
    assert min(text.get_fontsize() for text in texts(drawn)) >= SMALLEST
    FigureCanvasAgg(drawn).draw()
    box = drawn.get_tightbbox()  # in inches
    assert box.x0 >= 0 and box.x1 <= WIDTH


@pytest.mark.parametrize("kind", KINDS)
def test_no_picture_shows_a_code_name(kind: str, tmp_path: Path) -> None:
    drawn = figure(kind, tmp_path)
    FigureCanvasAgg(drawn).draw()
    assert [text.get_text() for text in texts(drawn) if "_" in text.get_text()] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_axis_says_what_it_is_in(kind: str, tmp_path: Path) -> None:
    """Along updates or per cent; upwards in the label or the panel's title, unless the rows have names."""
    drawn = figure(kind, tmp_path)
    along = [axis.get_xlabel() for axis in drawn.axes] + [drawn.get_supxlabel()]
    assert any("updates" in label or "%" in label for label in along)
    for axis in drawn.axes:
        named = len(axis.get_yticks()) == 0 or any(
            map(str.isalpha, "".join(tick.get_text() for tick in axis.get_yticklabels()))
        )
        assert named or not axis.axison or axis.get_ylabel() or axis.get_title(loc="left")


def test_a_file_has_few_colours_and_keeps_those_of_lines() -> None:
    drawn, axis = plt.subplots(figsize=(WIDTH, 4))
    for place, colour in enumerate(COLOURS):
        axis.plot([0, 1], [place, place], color=colour)
        axis.fill_between([0, 1], place + 0.2, place + 0.7, color=colour, alpha=0.2, lw=0)
    image = Image.open(io.BytesIO(png(drawn)))
    assert image.mode == "P" and image.width <= 600
    found = {colour for _, colour in image.convert("RGB").getcolors()}
    for colour, alpha in product(COLOURS, (1.0, 0.2)):
        wanted = 255 * (1 - alpha + alpha * np.array(to_rgb(colour)))
        assert min(np.abs(wanted - other).max() for other in found) < 12


def test_samples_have_their_scores(tmp_path: Path) -> None:
    """Of the moment that they are of: of three scores the last two, twice each, as moments coincide."""
    panels = [axis.texts[0].get_text() for axis in samples(tmp_path).axes]
    assert panels == [f"{np.exp(score):.2g}" for score in (-0.5, -0.5, -1.0, -1.0)] * len(NAMES)


def test_the_main_policies_have_colours_and_all_others_are_grey() -> None:
    """Of a main one that was tuned twice, the second tuning is grey as well."""
    parts = {"ppo": [run()], "best_schedule": [run(), run()], "a": [run()], "b": [run()]}
    tone = {"ppo": COLOURS[0], "best_schedule": COLOURS[1]}
    panel, *_ = knob_figure(parts, "ppo", tone, CONFIG).axes
    drawn = [(line.get_color(), line.get_linewidth()) for line in panel.lines]
    assert [colour for colour, _ in drawn].count(GREY) == 3
    assert {colour for colour, _ in drawn} == {GREY, *tone.values()}
    assert max(width for colour, width in drawn if colour == GREY) < min(w for c, w in drawn if c != GREY)


def test_where_the_learned_policy_does_not_play_another_learner_stands_in() -> None:
    (axis,), (legend,) = (drawn := settings()).axes, drawn.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["PPO", "tuned rates", "constants", "trained on three shapes"]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["unseen shapes", "held-out instances"]


def test_a_gain_that_is_far_left_is_a_number_at_the_edge() -> None:
    """So that it doesn't press the others together."""
    (axis,) = gains_figure({"good": around(0.5), "bad": gain(-1.5, -1.6, -1.4)}, "lower by … %").axes
    low, _ = axis.get_xlim()
    assert -120 < low < -100
    assert [text.get_text() for text in axis.texts] == ["\N{LEFTWARDS ARROW} -348", "39"]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["bad", "good"]  # from the bottom


def test_a_gain_is_drawn_in_per_cent_with_its_interval_in_the_colour_of_its_verdict() -> None:
    gains = {"better": around(0.5), "unsure": around(0.05), "worse": around(-0.5)}
    (axis,) = gains_figure(gains, "lower by … %").axes
    bars = [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 2]
    assert [line.get_color() for line in bars] == [COLOURS[1], "grey", COLOURS[0]]
    np.testing.assert_allclose(bars[2].get_xdata(), [33.0, 45.1], atol=0.05)


def test_single_runs_are_of_slow_middling_and_fast_rates_and_none_that_crashed() -> None:
    """The legend says which they are."""
    many = [replace(INSTANCES[0], lr_g=rate) for rate in (1e-2, 1e-4, 1e-3, 1.0)]
    played = replace(
        episodes([[0.0, -0.5, -1.0]] * 4, crashed=[False, False, False, True]),
        coordinates=np.full((4, 2, 3), 0.5, np.float32),
    )
    drawn = draw_runs(played, many, {"grad_g": np.ones((4, 3), np.float32)}, CONFIG)
    (legend,) = drawn.legends
    rates = [text.get_text().split("G's rate ")[1].split(",")[0] for text in legend.get_texts()]
    assert rates == ["0.0001", "0.001", "0.01"]
    assert {len(axis.lines) for axis in drawn.axes if axis.axison} == {3}


def test_knobs_are_drawn_by_their_names_and_not_where_a_policy_doesn_t_move_them() -> None:
    """Beside a learned policy that moves others, or the same in another order."""
    shown = with_knobs(run(), ("instance_noise", "r1", "lr_g"), ("lr_g", "augment", "r1")).coordinates
    np.testing.assert_array_equal(shown[..., 0], run().coordinates[..., 2])
    np.testing.assert_array_equal(shown[..., 2], run().coordinates[..., 1])
    assert np.isnan(shown[..., 1]).all()


@pytest.mark.parametrize("kind", ["knobs", "failures"])
def test_a_policy_of_other_knobs_has_lines_where_it_moves_one(kind: str) -> None:
    """And where two policies are compared, the panel is of a knob that both move."""
    other = with_knobs(run(), ("r1",), CONFIG.knobs)
    played, failed = {"ppo": run(), "best_schedule": other}, [replace(FAILURE, index=0)]
    drawn = knobs(**played) if kind == "knobs" else failures_figure(played, failed, 2, CONFIG)
    panels = {axis.get_title(loc="left"): axis for axis in drawn.axes}

    def there(name: str) -> set[bool]:
        return {bool(np.isfinite(line.get_ydata()).all()) for line in panels[knob_label(name)].lines}

    assert there("r1") == {True}
    if kind == "knobs":
        assert there("lr_g") == there("instance_noise") == {True, False}


def test_policies_that_decide_at_other_moments_are_drawn_over_the_same_updates() -> None:
    """Here one has four decisions of half the length."""
    often = replace(episodes([[0.0, -0.2, -0.5, -0.7, -1.0]] * 2), coordinates=np.full((2, 4, 3), 0.5, np.float32))
    played, budget = {"ppo": run(), "often": often}, CONFIG.num_decisions * CONFIG.updates_per_decision
    (curves,) = curves_figure(played, "ppo", dict(zip(played, COLOURS, strict=False)), CONFIG, METRIC).axes
    panel = knobs(**played).axes[0]
    for axis in (curves, panel):
        assert {len(line.get_xdata()) for line in axis.lines} == {2 + (axis is curves), 4 + (axis is curves)}
        assert {line.get_xdata()[-1] for line in axis.lines} == {budget}
