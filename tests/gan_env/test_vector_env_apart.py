"""The vector environment apart from its caller: what a program sets in torch changes nothing, and stays as it is."""

from typing import Any

import numpy as np
import pytest
import torch
from small_env import make, still

import gan_env
from gan_env import GANVectorEnv


@pytest.mark.parametrize("setting", ["inference mode", "autocast", "default dtype"])
def test_what_the_caller_has_set_in_torch_changes_nothing(setting: str) -> None:
    def play() -> list[Any]:
        env = make(2)
        return [env.reset(seed=0)[0], *env.step(still(env))[:2], env.samples(2), env.set_state(env.get_state())]

    usual = play()
    if setting == "default dtype":
        torch.set_default_dtype(torch.float64)
        try:
            found = play()
        finally:
            torch.set_default_dtype(torch.float32)
    else:
        with torch.inference_mode() if setting == "inference mode" else torch.autocast("cpu", torch.bfloat16):
            found = play()
    for one, other in zip(usual, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_image_environment_leaves_torchs_random_numbers_alone() -> None:
    """They would be other initial weights of a user's network."""
    before = torch.get_rng_state()
    GANVectorEnv(1, "digits", num_decisions=1, updates_per_decision=1, compile=False).reset(seed=0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.usefixtures("tables_as_they_were")
def test_a_statistic_may_hold_a_network() -> None:
    network = torch.nn.Linear(5, 1)
    gan_env.register_statistic("novelty", lambda moment: network(moment.coordinates).squeeze(1))
    env = make(2, observation=("progress", "novelty"))
    env.reset(seed=0)
    assert np.isfinite(env.step(still(env))[0]).all()
