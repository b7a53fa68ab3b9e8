"""Lanes: rows that start, stop and are copied one by one play what whole batches play, to the last bit."""

import numpy as np
import pytest
import small_env
import torch
from gymnasium.vector import AutoresetMode

from baselines.search.lanes import Lanes
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.policies.tables import TablePolicy


@pytest.fixture
def env() -> GANVectorEnv:
    return small_env.make(4, autoreset_mode=AutoresetMode.DISABLED, num_decisions=4)


def tables(count: int, env: GANVectorEnv) -> np.ndarray:
    """Coordinates that moves of `max_change` reach."""
    start = np.random.default_rng(0).uniform(0.2, 0.6, (count, 1, len(env.config.knobs)))
    return (start + 0.1 * np.arange(env.config.num_decisions)[None, :, None]).astype(np.float32)


class Played(TablePolicy):
    """Plays coordinates [T, K] from their first ones on."""

    def __init__(self, env: GANVectorEnv, table: np.ndarray) -> None:
        super().__init__(env, {})
        first = zip(env.knobs.controlled, torch.from_numpy(table[0]), strict=True)
        self.table, self.start = table, {knob.name: float(knob.decode(value)) for knob, value in first}


def finish(lanes: Lanes) -> None:
    while len(lanes.finished()) < (~lanes.free).sum():
        lanes.step()


def test_a_row_that_starts_later_plays_the_same_run(env: GANVectorEnv) -> None:
    lanes, wanted = Lanes(env), tables(3, env)
    lanes.start(np.array([0, 1]), [0, 1], [0, 0], [10, 11], wanted[:2])
    lanes.step()
    lanes.step()
    lanes.start(np.array([3]), [2], [0], [12], wanted[2:])
    lanes.step()
    lanes.step()
    lanes.take(lanes.finished())
    finish(lanes)
    run = lanes.take(np.array([3]))
    alone = run_episodes(Played(env, wanted[2]), env, [12], [2])
    np.testing.assert_array_equal(run["log_metric"], alone.log_metric)
    np.testing.assert_array_equal(run["score"], alone.score)
    np.testing.assert_array_equal(run["knobs"], alone.coordinates)


def test_the_wanted_coordinates_are_reached(env: GANVectorEnv) -> None:
    lanes, wanted = Lanes(env), tables(2, env)
    lanes.start(np.array([1, 2]), [0, 1], [0, 0], [1, 2], wanted)
    finish(lanes)
    run = lanes.take(np.array([1, 2]))
    np.testing.assert_allclose(run["knobs"], wanted, atol=1e-5)
    assert np.isfinite(run["log_metric"]).all()
    assert lanes.free.all()


def test_a_copy_goes_on_as_its_source(env: GANVectorEnv) -> None:
    lanes, wanted = Lanes(env), tables(3, env)
    lanes.start(np.arange(3), [0, 1, 2], [0, 0, 0], [1, 2, 3], wanted)
    lanes.step()
    lanes.fork(np.array([2]), np.array([0]))
    finish(lanes)
    run = lanes.take(np.arange(3))
    np.testing.assert_array_equal(run["log_metric"][2], run["log_metric"][0])
    np.testing.assert_array_equal(run["knobs"][2], run["knobs"][0])
    assert (run["log_metric"][1] != run["log_metric"][0]).any()
    assert run["seed"].tolist() == [1, 2, 3]


def test_a_crashed_run_repeats_its_last_values(env: GANVectorEnv) -> None:
    crashing = small_env.make(2, autoreset_mode=AutoresetMode.DISABLED, num_decisions=4, crash_penalty=1e-6)
    lanes = Lanes(crashing)
    lanes.start(np.array([0]), [0], [0], [5], np.ones((1, 4, 5), np.float32))
    finish(lanes)
    run = lanes.take(np.array([0]))
    assert run["crashed"].tolist() == [True]
    first = int(np.isnan(run["loss_d"][0]).argmax())
    assert (run["log_metric"][0, first + 1 :] == run["log_metric"][0, -1]).all()
    assert np.isfinite(run["score"]).all()
    assert run["decisions"].tolist() == [4]
