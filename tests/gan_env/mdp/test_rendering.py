"""Pictures of runs: one a row, that show what changes; Gymnasium's wrappers take them."""

import importlib.util
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordVideo, RenderCollection
from small_env import SMALL, make, still

from gan_env.mdp.knobs import knob_table
from gan_env.mdp.rendering import HEIGHT, WIDTH, draw_run, shown

PICTURE = (HEIGHT, WIDTH, 3)


def test_every_row_has_a_picture_of_its_own() -> None:
    env = make(2, render_mode="rgb_array")
    env.reset(seed=0)
    pictures = env.render()
    assert pictures is not None
    assert [p.shape for p in pictures] == [PICTURE] * 2
    assert pictures[0].dtype == np.uint8
    assert not np.array_equal(*pictures)


def test_a_picture_shows_how_the_run_goes_on() -> None:
    env = gym.make("gan_env/Points-v1", render_mode="rgb_array", **SMALL)
    env.reset(seed=0)
    before: Any = env.render()
    env.step(np.ones(5, np.float32))
    after: Any = env.render()
    curves = slice(WIDTH // 2 + 40, None)  # beside the samples
    assert before.shape == after.shape == PICTURE
    assert not np.array_equal(before[:, curves], after[:, curves])


def test_without_a_render_mode_nothing_is_drawn_and_a_warning_says_so() -> None:
    env = make(1)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode='rgb_array'"):
        assert env.render() is None


def test_a_restored_snapshot_has_the_curves_of_its_run() -> None:
    env, other = make(2, render_mode="rgb_array"), make(2, render_mode="rgb_array")
    env.reset(seed=0)
    env.step(still(env) + 1)
    other.set_state(env.get_state())
    assert np.array_equal(env.render(), other.render())


@pytest.mark.parametrize("decisions", [2, 3])
def test_a_crashed_run_can_be_drawn(decisions: int) -> None:
    """One that crashes in its last decision, too."""
    env = make(1, render_mode="rgb_array", autoreset_mode="DISABLED", num_decisions=decisions)
    env.reset(seed=0)
    env.step(still(env))
    for tensor in (env.population.state.g, env.population.state.ema):
        tensor.fill_(np.nan)
    before = env.render()
    env.step(still(env))
    after = env.render()
    assert before is not None and after is not None
    red = np.array([0xB0, 0, 0x20])
    assert not (before[0] == red).all(axis=2).any()
    assert (after[0] == red).all(axis=2).any()


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32), (3, 64), (1, 28)])
def test_images_are_a_grid(channels: int, size: int) -> None:
    """White images fill most of the square; those of a run that has gone wrong can be drawn too."""
    count = shown((channels, size, size))
    white = np.ones((count, channels, size, size), np.float32)
    curve, knobs = np.zeros(3, np.float32), {"r1": (knob_table()["r1"], np.ones(2, np.float32))}
    square = draw_run("some", "", -white, None, curve, knobs)[40:-16, 20 : HEIGHT - 60]
    assert (square == 0).all(axis=2).mean() > 0.9
    draw_run("some", "", white * np.nan, None, curve, knobs)


def test_as_many_knobs_as_there_are_fit_in() -> None:
    knobs = {name: (knob, np.full(2, knob.value, np.float32)) for name, knob in knob_table().items()}
    points = np.zeros((5, 2), np.float32)
    assert draw_run("some", "decision 2/2", points, points, np.zeros(3, np.float32), knobs).shape == PICTURE


def test_gymnasium_collects_frames() -> None:
    env = RenderCollection(gym.make("gan_env/Points-v1", render_mode="rgb_array", **SMALL))
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(5, np.float32))
    frames: Any = env.render()
    assert [frame.shape for frame in frames] == [PICTURE] * 4


@pytest.mark.skipif(importlib.util.find_spec("moviepy") is None, reason="moviepy is not installed")
def test_gymnasium_records_a_video(tmp_path: Path) -> None:
    env = RecordVideo(gym.make("gan_env/Points-v1", render_mode="rgb_array", **SMALL), str(tmp_path / "videos"))
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(5, np.float32))
    env.close()
    assert [path.suffix for path in tmp_path.glob("videos/*.mp4")] == [".mp4"]


@pytest.mark.skipif(importlib.util.find_spec("pygame") is None, reason="pygame is not installed")
def test_gymnasium_shows_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with pytest.warns(UserWarning, match="HumanRendering"):
        env = gym.make("gan_env/Points-v1", render_mode="human", **SMALL)
    env.reset(seed=0)
    env.step(np.zeros(5, np.float32))
    env.close()
