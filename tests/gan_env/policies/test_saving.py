"""What any library trained is saved so that it acts as it did, or is refused before anything is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from plain_gan import PlainGAN
from small_env import SMALL, make
from torch import nn

import gan_env
from gan_env import ConfigError, GANEnv, GANVectorEnv
from gan_env.policies.learned import LearnedPolicy
from gan_env.saved_controller import SavedController
from gan_env.strict import to_dict

LOOP: dict[str, Any] = {"knobs": ("lr_g", "lr_d"), "observation": ("progress", "knobs", "steps")}
"""An environment that sees and does what any loop has."""


def network(env: GANVectorEnv) -> nn.Sequential:
    torch.manual_seed(0)
    inputs, knobs = len(env.observation_names), len(env.action_names)
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, knobs))


def test_it_acts_as_it_did_with_its_normalisation(tmp_path: Path) -> None:
    env = make(4)
    trained, rng = network(env), np.random.default_rng(0)
    mean, std = rng.normal(size=len(env.observation_names)), rng.uniform(0.5, 2, len(env.observation_names))
    gan_env.save_controller(tmp_path / "mine", env, trained, mean, std, clip=1.5)
    observation, _ = env.reset(seed=0)
    with torch.no_grad():
        seen = torch.from_numpy(np.clip((observation - mean) / std, -1.5, 1.5)).float()
        expected = trained(seen).clamp(-1, 1).numpy()
    action, _ = LearnedPolicy(SavedController.load(tmp_path / "mine"), env).predict(observation)
    np.testing.assert_allclose(action, expected, atol=1e-6)


def test_numbers_may_be_tensors_lists_or_left_out(tmp_path: Path) -> None:
    env = make(1, **LOOP)
    inputs = len(env.observation_names)
    for given in ((), ([0.0] * inputs, [1.0] * inputs), (torch.zeros(inputs, requires_grad=True), None)):
        gan_env.save_controller(str(tmp_path), env, network(env), *given)
        found = SavedController.load(tmp_path).network
        assert not found.mean.any() and (found.std == 1).all() and found.clip is None


@pytest.mark.parametrize(
    "make_env",
    [
        lambda **options: GANEnv(**options),
        lambda **options: gym.make("gan_env/Points-v1", **options),
        lambda **options: gym.make_vec("gan_env/Points-v1", 2, **options),
        lambda **options: gym.wrappers.vector.RecordEpisodeStatistics(GANVectorEnv(2, **options)),
    ],
)
def test_single_and_wrapped_environments_are_those_in_them(make_env: Callable[..., Any], tmp_path: Path) -> None:
    own = make(1, **LOOP)
    gan_env.save_controller(tmp_path, make_env(**SMALL, **LOOP), network(own))
    saved = SavedController.load(tmp_path)
    assert saved.env == to_dict(own.config)
    LearnedPolicy(saved, own)


def test_it_plays_in_a_loop(tmp_path: Path) -> None:
    env = make(1, **LOOP)
    trained = network(env)
    nn.init.constant_(trained[-1].bias, -1.0)
    gan_env.save_controller(tmp_path, env, trained)
    gan = PlainGAN.make()
    gan.run(gan.control(tmp_path, 12), 12)
    assert max(gan.rates) < 1e-3


def diverged() -> nn.Linear:
    layer = nn.Linear(7, 2)
    nn.init.constant_(layer.bias, torch.nan)
    return layer


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": nn.Sequential(nn.Linear(7, 2), nn.GELU())}, r"layer 1 of the network='GELU' .* one of Linear, "),
        ({"network": [nn.Linear(7, 4), nn.Linear(5, 2)]}, r"layer 1 of the network=.* expected 4 inputs"),
        ({"network": nn.Linear(6, 2)}, r"layer 0 of the network=.* expected 7 inputs, one for each statistic"),
        ({"network": nn.Linear(7, 3)}, r"outputs of the network=3 .* expected 2, one for each knob"),
        ({"network": diverged()}, r"weights that are not finite=\['layers\.0\.bias'\] can't be used"),
        ({"network": "mine"}, r"layer 0 of the network='str' can't be used"),
        ({"mean": [0.0] * 6}, r"^mean=.* expected 7 finite numbers"),
        ({"mean": [float("nan")] * 7}, r"^mean=.* expected 7 finite numbers"),
        ({"std": [0.0] * 7}, r"^std=.* expected numbers above 0"),
        ({"clip": 0.0}, r"^clip=0\.0 can't be used"),
        ({"env": gym.vector.SyncVectorEnv([lambda: GANEnv(**SMALL)])}, r"^env='SyncVectorEnv' .* a gan_env\.GANVector"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_written(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    env = make(1, **LOOP)
    given = {"folder": tmp_path / "new", "env": env, "network": network(env), **change}
    assert len(env.observation_names) == 7
    with pytest.raises(ConfigError, match=said) as refused:
        gan_env.save_controller(**given)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    env = make(1, **LOOP)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^folder=.*is a file; give another folder$"):
        gan_env.save_controller(tmp_path / "file", env, network(env))
