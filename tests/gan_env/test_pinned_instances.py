"""A row keeps the instance that `reset` pins, until it is given another or None."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from small_env import make, still

from gan_env import ConfigError, GANVectorEnv


def through(env: GANVectorEnv, episodes: int) -> list[list[Any]]:
    """The instances that each row trains in the next episodes, by SAME_STEP."""
    found = []
    for _ in range(episodes * env.config.num_decisions):
        env.step(still(env))
        found.append(list(env.current_instances))
    return found


def test_it_stays_through_autoreset() -> None:
    env = make(2, num_decisions=1)
    env.reset(seed=0, options={"instance": 7})
    assert through(env, 4) == [[env.instances[7]] * 2] * 4


def test_it_stays_through_resets_that_do_not_name_one() -> None:
    env = make(2)
    env.reset(seed=0, options={"instance": 7})
    env.reset()
    env.reset(seed=3, options={"knobs": {"r1": 1.0}})
    assert env.current_instances == [env.instances[7]] * 2


def test_another_takes_its_place_and_none_ends_it() -> None:
    env = make(2, num_decisions=1)
    env.reset(seed=0, options={"instance": 7})
    env.reset(options={"instance": [3, None]})
    met = through(env, 8)
    assert {first for first, _ in met} == {env.instances[3]}
    assert len({second for _, second in met}) > 4


def test_rows_that_are_not_reset_keep_theirs() -> None:
    env = make(3, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0, options={"instance": [1, 2, 3]})
    env.reset(options={"instance": 9, "reset_mask": np.array([False, True, False])})
    env.reset()
    assert env.current_instances == [env.instances[i] for i in (1, 9, 3)]


def test_a_reset_that_is_refused_pins_nothing() -> None:
    env = make(2)
    env.reset(seed=0, options={"instance": 7})
    with pytest.raises(ConfigError):
        env.reset(options={"instance": 3, "knobs": {"r1": 1e9}})
    env.reset()
    assert env.current_instances == [env.instances[7]] * 2


def test_a_snapshot_keeps_it() -> None:
    env, fork = make(2, num_decisions=1), make(2, num_decisions=1)
    env.reset(seed=0, options={"instance": [7, None]})
    fork.set_state(env.get_state())
    assert through(fork, 3) == (met := through(env, 3))
    assert {first for first, _ in met} == {env.instances[7]}


def test_pinned_rows_have_the_gans_that_they_would_have_drawn_anyway() -> None:
    """So runs with and without a pin are paired, episode by episode."""
    keys = []
    for options in ({}, {"instance": 7}):
        env = make(2, num_decisions=1)
        env.reset(seed=0, options=options)
        env.step(still(env))
        keys.append(env.population.settings.key.tolist())
    assert keys[0] == keys[1]
