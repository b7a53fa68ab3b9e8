"""TorchRL collects every transition: of our vector environment, in the mode for it, and by id."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
from witness import Transition, Witness, assert_same, by_row

pytest.importorskip("torchrl", reason="TorchRL is not installed: gan_env[libraries] brings it")

import torch
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper

Program = Callable[..., dict[str, Any]]


def transitions(batch: Any) -> list[list[Transition]]:
    """Of a TensorDict [N, T]."""
    after = batch["next"]
    columns = batch["observation"], batch["action"], after["reward"], after["observation"], after["terminated"]
    assert not after["truncated"].any()
    return by_row(*columns)


def test_the_collector_gets_every_transition(run_program: Program, witness: Witness) -> None:
    assert_same(transitions(torch.cat(run_program("rows_torchrl")["batches"], 1)), witness.rows)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_another_mode_is_an_error(mode: str, witness: Witness) -> None:
    """Not wrong data without a word. With SameStep it wants the same plain infos at every step."""
    with pytest.raises((AttributeError, KeyError, RuntimeError)):
        envs = GymWrapper(gym.make_vec("gan_env/Points-v1", num_envs=4, autoreset_mode=mode))
        list(Collector(envs, policy=None, frames_per_batch=80, total_frames=160))


def test_episodes_of_the_environment_by_id_are_whole(run_program: Program, witness: Witness) -> None:
    episodes = run_program("by_id_torchrl")["episodes"]
    assert all(episode["next", "terminated"][-1] for episode in episodes)
    assert_same(transitions(torch.cat(episodes)[None]), witness.rows)
