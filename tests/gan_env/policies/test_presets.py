"""Policies by name: configs/policy/ and the tuned schedules that studies have committed."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from gan_env import ConfigError, GANVectorEnv
from gan_env.config import env_config
from gan_env.evaluation import run_episodes
from gan_env.policies import committed, load_policy, policy_names

SMALL: dict[str, Any] = {"num_decisions": 3, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
FIVE: dict[str, Any] = {"knobs": ["instance_noise", "augment", "r1", "lr_g", "lr_d"], "max_first_change": 1}


def test_a_policy_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"^policy='cosinus' .*cosine.*tuned/points/schedule_0"):
        load_policy("cosinus")


@pytest.mark.parametrize(
    ("preset", "options", "count"),
    [
        ("points", FIVE, 5),
        ("points", {**FIVE, "instances": {"seed": 9}, "observation": ["progress"], "compile": False}, 5),
        ("fashion_mnist", {**FIVE, "image_size": 16, "updates_per_decision": 60}, 3),
        ("points", {}, 0),
        ("points", {**FIVE, "loss": "hinge"}, 0),
        ("points", {**FIVE, "num_decisions": 6}, 0),
        ("fashion_mnist", FIVE, 0),
        ("cifar10", FIVE, 0),
    ],
)
def test_tuned_policies_are_opponents_in_runs_like_those_they_were_tuned_in(
    preset: str, options: dict[str, Any], count: int
) -> None:
    for kind in ("schedule", "rates"):
        names = committed(env_config(preset, **options), kind)
        assert names == [f"tuned/{preset}/{kind}_{number}" for number in range(count)]
        assert [load_policy(name).kind for name in names] == [kind] * count


@pytest.mark.parametrize("name", [name for name in policy_names() if name.startswith("tuned/points/")])
def test_a_tuned_policy_plays_with_the_knobs_that_it_was_tuned_with(name: str) -> None:
    """Five knobs, and a first move that reaches wherever it starts: so it is played as it is written."""
    env = GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **SMALL, **FIVE)
    options = load_policy(name)
    episodes = run_episodes(options.make(env), env, range(2))
    assert np.isfinite(episodes.final).all()
    first = {knob: episodes.extras[f"knob_{knob}"][:, 0] for knob in ("augment", "r1", "instance_noise")}
    for knob, values in first.items():
        np.testing.assert_allclose(values, options.knobs[knob]["initial"], rtol=1e-3, atol=1e-6)
