"""Read-outs: means over runs. test_compare.py plays them."""

from typing import Literal

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from agents.study.readout import RATES_REPLAY_SUFFIX, REPLAY_SUFFIX, controller_of, read_out, suffixes
from gan_env import GANVectorEnv
from gan_env.config import EnvConfig
from gan_env.policies import PolicyOptions


@pytest.mark.parametrize("name", ["ppo", "ppo_replay", "ppo_rates_replay", "ppo_yoked"])
def test_a_read_out_is_known_by_its_name(name: str) -> None:
    assert controller_of(name) == "ppo"
    assert controller_of(f"{name}_2") == f"{name}_2"


@pytest.mark.parametrize(
    ("knobs", "rates", "found"),
    [
        (("r1", "lr_g"), "given", ("_replay", "_rates_replay", "_yoked")),
        (("r1", "lr_g"), "steady_walk", ("_replay", "_yoked")),
        (("r1",), "given", ("_replay", "_yoked")),
    ],
)
def test_rates_are_read_out_where_the_policy_alone_sets_them(
    knobs: tuple[str, ...], rates: Literal["given", "steady_walk"], found: tuple[str, ...]
) -> None:
    assert suffixes(EnvConfig(knobs=knobs, rates=rates)) == found


@pytest.mark.parametrize("rates", [False, True])
def test_a_read_out_averages_learning_rates_or_the_factors_on_them(rates: bool) -> None:
    """Two runs that end up at the same rate, from instances that were started with different ones."""
    env = GANVectorEnv(
        2, autoreset_mode=AutoresetMode.DISABLED, num_decisions=2, updates_per_decision=1, metric_samples=32,
        compile=False, knobs=("r1", "lr_g"), instances={"lr_g": (2e-4, 5e-3), "train_size": 2},
    )  # fmt: skip
    given = np.array([env.instances[i].lr_g for i in range(2)])
    assert given[0] != given[1]
    factor = 1e-3 / given  # brings both to 1e-3
    coordinates = np.empty((2, 2, 2), np.float32)
    coordinates[..., 0] = 0.5
    coordinates[..., 1] = (np.log10(factor)[:, None] + 2) / 3
    suffix = RATES_REPLAY_SUFFIX if rates else REPLAY_SUFFIX
    found = read_out(env, coordinates, [env.instances[i] for i in range(2)], suffix)
    assert found["kind"] == ("rates" if rates else "table")
    table = found["table"]
    expected = 1e-3 if rates else np.sqrt(factor[0] * factor[1])
    assert table["lr_g"] == pytest.approx([expected] * 2, rel=2e-3)
    half = 0.003 * np.expm1(0.5 * np.log1p(30 / 0.003))
    assert table["r1"] == pytest.approx([half] * 2, rel=1e-3)


def test_a_read_out_stays_within_the_knobs_bounds() -> None:
    """The upper one has more digits than a read-out."""
    env = GANVectorEnv(
        1, autoreset_mode=AutoresetMode.DISABLED, num_decisions=2, updates_per_decision=1, metric_samples=32,
        compile=False, knobs=("r1",), knob_bounds={"r1": (0.0, 3.14159)},
    )  # fmt: skip
    found = read_out(env, np.ones((1, 2, 1), np.float32), [env.instances[0]], REPLAY_SUFFIX)
    assert found["table"] == {"r1": [3.14159, 3.14159]}
    PolicyOptions(**found).make(env)
