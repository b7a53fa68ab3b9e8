"""Imitation: a network begins as a policy that is known, such as a schedule, and learning goes on from there."""

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor
from torch.nn.functional import mse_loss
from tqdm import trange

from agents.learning.training import inner_env
from gan_env.policies.presets import load_policy
from gan_env.policies.steering import Floats

STEPS, RATE = 2_000, 1e-3
"""Steps of Adam, each on all decisions of the episode, and their size."""


def imitate(model: OnPolicyAlgorithm, name: str, seed: int) -> None:
    """Fits actor and critic to one episode of all rows under a policy in configs/policy/ (behaviour cloning).

    The episode has the exploration noise that the model begins with, so that the actor learns what the policy wants
    beside its path as well (Laskey et al. 2017, arXiv:1703.09327). It also begins the normalisation of observations.

    Args:
        model: before its training, with its environment in a `VecNormalize`.
        name: of the policy.
        seed: of the noise.

    Raises:
        ConfigError: the policy does not fit the environment.
    """
    normalize = model.get_env()
    assert isinstance(normalize, VecNormalize)
    seen, wanted, returns = _episode(model, normalize, name, seed)
    scale = returns.var() + 1e-8
    optimizer = torch.optim.Adam(model.policy.parameters(), RATE)
    for _ in range(STEPS):
        acts = model.policy.get_distribution(seen).distribution
        assert isinstance(acts, torch.distributions.Normal)
        loss = mse_loss(acts.mean, wanted) + mse_loss(model.policy.predict_values(seen).squeeze(1), returns) / scale
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _episode(model: Any, normalize: VecNormalize, name: str, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised observations [T N, F], the actions that the policy wants [T N, K], and returns from there on [T N]."""
    env, rng, std = inner_env(normalize), np.random.default_rng(seed), model.policy.log_std.exp().detach().numpy()
    policy = load_policy(name).make(env)
    normalize.reset()
    seen: list[Floats] = []
    wanted: list[Floats] = []
    rewards, ended = [], []
    for _ in trange(env.config.num_decisions, desc=f"imitates {name}", unit="decision"):
        original = normalize.get_original_obs()
        assert isinstance(original, np.ndarray)
        seen.append(original)
        wanted.append(policy.predict(seen[-1])[0])
        action = wanted[-1] + std * rng.standard_normal(wanted[-1].shape)
        _, reward, done, _ = normalize.step(np.clip(action, -1, 1).astype(np.float32))
        rewards.append(reward)
        ended.append(done)
    returns: list[Floats] = []
    following = np.zeros(env.num_envs, np.float32)
    for reward, done in zip(reversed(rewards), reversed(ended), strict=True):
        following = reward + np.where(done, 0, following)
        returns.insert(0, following)
    normal, actions = normalize.normalize_obs(np.concatenate(seen)), np.concatenate(wanted)
    assert isinstance(normal, np.ndarray)
    return torch.from_numpy(normal), torch.from_numpy(actions), torch.from_numpy(np.concatenate(returns)).float()
