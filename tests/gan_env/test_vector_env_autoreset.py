"""The three autoreset modes are those of Gymnasium's own vector environment; its wrappers work with them."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics
from hypothesis import given, settings
from hypothesis import strategies as st
from small_env import SMALL, make, still

from gan_env import ConfigError, GANEnv

ROWS, STEPS = 3, 9
FATES = st.lists(st.sets(st.integers(0, ROWS - 1)), min_size=STEPS, max_size=STEPS)
"""Which rows crash in which step; none in most of them."""


@pytest.fixture(scope="module", params=AutoresetMode, ids=lambda mode: mode.name)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Our environment and Gymnasium's of as many single ones, in one mode."""
    theirs = SyncVectorEnv([lambda: GANEnv(**SMALL)] * ROWS, autoreset_mode=request.param)
    return make(ROWS, autoreset_mode=request.param), theirs


@given(seed=st.integers(0, 10**6), fates=FATES)
@settings(max_examples=6, deadline=None)
def test_every_step_is_that_of_gymnasiums_own_vector_environment(pair: Any, seed: int, fates: list[set[int]]) -> None:
    ours, theirs = pair
    rng = np.random.default_rng(seed)
    assert_same(ours.reset(seed=seed), theirs.reset(seed=seed), ours.observation_names)
    for crashing in fates:
        for row in crashing:
            ours.population.state.g[row] = np.nan
            theirs.envs[row].vector.population.state.g[0] = np.nan
        actions = rng.uniform(-1, 1, ours.action_space.shape).astype(np.float32)
        step = ours.step(actions)
        assert_same(step, theirs.step(actions), ours.observation_names)
        if ours.autoreset_mode is AutoresetMode.DISABLED and step[2].any():
            resets = [env.reset(options={"reset_mask": step[2].copy()}) for env in pair]
            assert_same(*resets, ours.observation_names)


def assert_same(ours: tuple[Any, ...], theirs: tuple[Any, ...], names: list[str]) -> None:
    """Observations, rewards, flags and infos up to rounding."""
    # A small spread is the difference of two large numbers, and observed by its logarithm.
    spreads = np.array([name.startswith("spread") for name in names])

    def assert_same_observations(mine: Any, other: Any) -> None:
        np.testing.assert_allclose(*(np.where(spreads, 10**x, x) for x in (mine, other)), atol=2e-3)

    assert_same_observations(ours[0], theirs[0])
    for mine, other in zip(ours[1:-1], theirs[1:-1], strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-3)
    infos, expected = ours[-1], theirs[-1]
    assert infos.keys() == expected.keys()
    if "final_obs" in expected:  # Gymnasium's are objects, None where there is none
        ended = np.flatnonzero(expected["_final_obs"])
        assert_same_observations(infos.pop("final_obs")[ended], np.stack(expected.pop("final_obs")[ended]))
    assert_same_infos(infos, expected)


def assert_same_infos(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Keys, masks and values."""
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        if isinstance(value, dict):
            assert_same_infos(ours[key], value)
        elif value.dtype.kind in "biO":
            assert ours[key].dtype == value.dtype
            assert ours[key].tolist() == value.tolist(), key
        else:
            np.testing.assert_allclose(ours[key], value, atol=2e-3, err_msg=key)


def test_autoreset_happens_in_the_same_step() -> None:
    env = make()
    env.reset(seed=0)
    for _ in range(2):
        *_, infos = env.step(still(env))
        assert "final_obs" not in infos
    obs, _, ended, truncated, infos = env.step(still(env))
    assert ended.all()
    assert not truncated.any()
    progress = env.observer.names.index("progress")
    assert (infos["final_obs"][:, progress] == 1).all()
    assert (obs[:, progress] == 0).all()
    assert infos["_final_obs"].all()
    assert infos["final_info"]["log_metric"].shape == (4,)


def test_rows_go_on_alone_after_an_autoreset() -> None:
    """A row that crashes early starts its next run while the others continue theirs."""
    env = make()
    env.reset(seed=0)
    env.population.state.g[1] = np.nan
    *_, ended, _, infos = env.step(still(env))
    assert ended.tolist() == [False, True, False, False]
    assert infos["final_info"]["crashed"].tolist() == [False, True, False, False]
    progress = env.observer.names.index("progress")
    obs, *_ = env.step(still(env))
    np.testing.assert_allclose(obs[:, progress], np.array([2, 1, 2, 2]) / 3, rtol=1e-6)


def test_a_step_that_resets_all_rows_trains_none() -> None:
    env = make(2, autoreset_mode="NEXT_STEP")
    env.reset(seed=0)
    for _ in range(3):
        *_, ended, _, _ = env.step(still(env))
    assert ended.all()
    before = env.gan_updates
    _, reward, ended, _, infos = env.step(still(env))
    assert env.gan_updates == before
    assert not reward.any()
    assert not ended.any()
    assert infos["_gan_seed"].all()


def test_a_step_before_the_first_reset_is_refused_in_every_mode() -> None:
    env = make(2, autoreset_mode="NEXT_STEP")
    with pytest.raises(ConfigError, match="call reset first"):
        env.step(still(env))


@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.name)
def test_a_mode_may_be_given_by_name_or_value(mode: AutoresetMode) -> None:
    for given_as in (mode, mode.name, mode.name.lower(), mode.value):
        env = make(1, autoreset_mode=given_as)
        assert env.autoreset_mode is env.metadata["autoreset_mode"] is mode


def test_gymnasiums_wrappers_work_on_resets_in_the_next_step() -> None:
    env = gym.make_vec("gan_env/Points-v1", num_envs=2, autoreset_mode="NextStep", **SMALL)
    wrapped = RecordEpisodeStatistics(NormalizeObservation(env))
    wrapped.reset(seed=0)
    lengths = []
    for _ in range(8):
        obs, *_, infos = wrapped.step(still(env.unwrapped))  # type: ignore[arg-type]
        assert np.isfinite(obs).all()
        if "episode" in infos:
            lengths += infos["episode"]["l"].tolist()
    assert lengths == [3] * 4
