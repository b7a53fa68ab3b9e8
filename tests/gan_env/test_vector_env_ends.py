"""The vector environment where runs end: crashes, rows that are over; autoreset is in test_vector_env_autoreset.py."""

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from small_env import make, still

from gan_env import ConfigError
from gan_env.mdp.rewards import REWARDS


def test_a_crash_leaves_the_other_rows_as_they_were() -> None:
    healthy, poisoned = make(), make()
    for env in (healthy, poisoned):
        env.reset(seed=0)
    poisoned.population.state.d[0] = torch.nan
    for _ in range(2):
        expected, got = healthy.step(still(healthy)), poisoned.step(still(poisoned))
        for a, b in zip(expected[:3], got[:3], strict=True):
            assert np.array_equal(a[1:], b[1:])


def test_a_crash_takes_back_what_was_gained_and_costs_the_penalty_besides() -> None:
    """What was lost before stays lost."""
    env = make(16, crash_penalty=3.0)
    env.reset(seed=0)
    _, before, *_ = env.step(still(env))
    assert before.min() < 0 < before.max()
    env.population.state.g.fill_(torch.nan)
    obs, reward, ended, _, infos = env.step(still(env))
    assert ended.all()
    np.testing.assert_allclose(before + reward, -3.0 + before.clip(max=0), atol=1e-5)
    assert np.isfinite(infos["final_obs"]).all()
    assert np.isfinite(obs).all()


@pytest.mark.parametrize("weight", [-1000.0, 1000.0])
@pytest.mark.parametrize("term", REWARDS)
def test_no_run_is_paid_for_a_crash(term: str, weight: float) -> None:
    """Whatever the reward is made of: with one of the signs runs have lost more than the penalty before."""
    env = make(reward={term: weight}, crash_penalty=3.0)
    env.reset(seed=0)
    env.population.state.ema.mul_(0.1)  # samples that are less varied than the data, or one term would be zero
    env.step(still(env))
    env.population.state.g.fill_(torch.nan)
    _, reward, *_ = env.step(still(env))
    assert (reward <= -3.0).all()


def test_a_crash_costs_more_than_holding_a_collapsed_generator_to_the_end() -> None:
    """The old rule: -4 for the crash, -165.8 for the run that was merely bad in every decision."""
    env = make(2, autoreset_mode=AutoresetMode.DISABLED, reward={"collapse": 1.0}, num_decisions=12)
    env.reset(seed=0)
    env.population.state.g[0] = torch.nan
    total = np.zeros(2)
    for _ in range(12):
        for network in (env.population.state.g[1], env.population.state.ema[1]):
            network.zero_()
        _, reward, *_ = env.step(still(env))
        total += reward
    assert total[0] < total[1] < -20


def test_a_metric_that_rises_by_the_penalty_is_a_crash() -> None:
    """Else a run that goes wrong slowly could lose more than one that crashes."""
    env = make(crash_penalty=1e-6)
    env.reset(seed=0)
    env.population.state.ema.mul_(100)
    *_, infos = env.step(still(env))
    assert infos["final_info"]["crashed"].all()


def test_a_crash_costs_more_than_any_other_run() -> None:
    """For the default reward: a run that isn't a crash never loses as much."""
    env = make(16, crash_penalty=0.05)
    env.reset(seed=1)
    total, crashes = np.zeros(16), 0
    alive = np.ones(16, bool)
    for _ in range(3):
        _, reward, ended, _, infos = env.step(still(env))
        total += np.where(alive, reward, 0)
        crashed = infos.get("final_info", infos)["crashed"]
        crashes += int((alive & crashed).sum())
        assert (total[alive & crashed] <= -0.05 + 1e-5).all()
        assert (total[alive & ~crashed] > -0.05).all()
        alive &= ~ended
    assert 0 < crashes < 16


def test_a_step_before_the_first_reset_is_refused() -> None:
    env = make(2)
    with pytest.raises(ConfigError, match="step: none of the 2 rows has a run: call reset first"):
        env.step(still(env))
    assert env.gan_updates == 0


def test_a_step_after_all_rows_have_ended_is_refused_until_one_is_reset() -> None:
    env = make(2, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    for _ in range(3):
        env.step(still(env))
    updates = env.gan_updates
    with pytest.raises(ConfigError, match="call reset first"):
        env.step(still(env))
    assert env.gan_updates == updates
    env.reset(options={"reset_mask": [False, True]})
    _, reward, ended, *_ = env.step(still(env))
    assert reward[0] == 0 != reward[1]
    assert ended.tolist() == [True, False]


def test_a_row_that_is_over_gets_nothing_and_stays_over() -> None:
    """Here one whose crash was a rise of the metric, and which would be well again."""
    env = make(3, autoreset_mode=AutoresetMode.DISABLED, ema_decay=0.0)
    env.reset(seed=0)
    env._progress.first[1] -= 100
    *_, ended, _, infos = env.step(still(env))
    assert ended.tolist() == infos["crashed"].tolist() == [False, True, False]
    env._progress.first[1] += 100
    for last in (False, True):
        _, reward, ended, _, infos = env.step(still(env))
        assert not infos["crashed"].any()
        assert reward[1] == 0 != reward[0]
        assert ended.tolist() == [last, True, last]


def test_a_snapshot_knows_which_rows_are_over() -> None:
    env, fork = (make(2, autoreset_mode=AutoresetMode.DISABLED) for _ in range(2))
    env.reset(seed=0)
    env.population.state.g[1] = torch.nan
    env.step(still(env))
    state = env.get_state()
    for _ in range(2):
        env.step(still(env))  # to the end: the state stays as it was
    fork.set_state(state)
    _, reward, ended, *_ = fork.step(still(fork))
    assert reward[1] == 0 != reward[0]
    assert ended.tolist() == [False, True]
    fork.set_state(env.get_state())
    with pytest.raises(ConfigError, match="call reset first"):
        fork.step(still(fork))
