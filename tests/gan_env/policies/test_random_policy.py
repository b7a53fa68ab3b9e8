"""Random actions: held as long as asked, different from row to row, the same by the same seed."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from gan_env import ConfigError, GANVectorEnv
from gan_env.evaluation import run_episodes
from gan_env.policies.random_policy import RandomPolicy

T = 8


def make() -> GANVectorEnv:
    small = {"num_decisions": T, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    return GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, action_mode="absolute", **small)


@pytest.mark.parametrize("hold", [1, 3])
def test_random_actions_are_held(hold: int) -> None:
    env = make()
    coordinates = run_episodes(RandomPolicy(env, seed=1, hold=hold), env, range(2)).coordinates[0, :, 0]
    changed = np.flatnonzero(np.diff(coordinates)) + 1
    assert changed.tolist() == [i for i in range(1, T) if i % hold == 0]


def test_random_rows_differ_and_the_seed_decides() -> None:
    env = make()
    first, second, other = (run_episodes(RandomPolicy(env, seed), env, range(2)).coordinates for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_an_action_that_is_never_held_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^hold=0 .*at least 1"):
        RandomPolicy(make(), hold=0)
