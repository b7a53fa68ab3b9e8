"""Imitation: before it learns, a network is fitted to a policy that is known, such as a schedule or a rule."""

from typing import NamedTuple

import numpy as np
import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor
from torch.nn.functional import mse_loss
from tqdm import trange

from agents.learning.training import inner_env
from gan_env.policies.presets import load_policy

STEPS, RATE = 2_000, 1e-3
"""Steps of Adam, each on all decisions of the episode, and their size."""


class Episode(NamedTuple):
    """One episode of N rows under a policy, T decisions each.

    Attributes:
        seen: normalised observations, [T N, F].
        wanted: the policy's actions there, [T N, K].
        returns: what follows until the run ends, [T N].
        whole: whether the run ends within the episode, bool [T N]; not where one follows a crash.
    """

    seen: Tensor
    wanted: Tensor
    returns: Tensor
    whole: Tensor


def imitate(model: OnPolicyAlgorithm, name: str) -> None:
    """Fits actor and critic to one episode of all rows under a policy (behaviour cloning).

    The episode has the exploration noise that the model begins with, so that the actor learns what the policy wants
    beside its path as well (Laskey et al. 2017, arXiv:1703.09327). Runs begin with the knobs where the environment has
    them. The normalisation of observations begins with this episode.

    Args:
        model: before its training, with its environment in a `VecNormalize`.
        name: of the policy.

    Raises:
        ConfigError: the policy does not fit the environment.
    """
    seen, wanted, returns, whole = _play(model, name)
    scale = returns[whole].var(correction=0) + 1e-8
    optimizer = torch.optim.Adam(model.policy.parameters(), RATE)
    for _ in range(STEPS):
        acts = model.policy.get_distribution(seen).distribution
        assert isinstance(acts, torch.distributions.Normal)
        values = model.policy.predict_values(seen[whole]).squeeze(1)
        loss = mse_loss(acts.mean, wanted) + mse_loss(values, returns[whole]) / scale
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _play(model: OnPolicyAlgorithm, name: str) -> Episode:
    """An episode of all rows."""
    normalize = model.get_env()
    assert isinstance(normalize, VecNormalize)
    env, rng, std = inner_env(normalize), np.random.default_rng(model.seed), model.policy.log_std.exp().detach().numpy()
    policy, state, ended = load_policy(name).make(env), None, np.ones(env.num_envs, bool)
    seen, wanted, rewards, over = [], [], [], []
    normalize.reset()
    for _ in trange(env.config.num_decisions, desc=f"imitates {name}", unit="decision"):
        original = normalize.get_original_obs()
        assert isinstance(original, np.ndarray)
        action, state = policy.predict(original, state, ended)
        noisy = action + std * rng.standard_normal(action.shape)
        _, reward, ended, _ = normalize.step(np.clip(noisy, -1, 1).astype(np.float32))
        seen.append(original)
        wanted.append(action)
        rewards.append(reward)
        over.append(ended)
    returns, whole = np.stack(rewards, dtype=np.float32), np.stack(over)  # [T, N]
    for now in reversed(range(len(over) - 1)):
        returns[now] += np.where(over[now], 0, returns[now + 1])
        whole[now] |= whole[now + 1]
    normal = normalize.normalize_obs(np.concatenate(seen))
    parts = (normal, np.concatenate(wanted), returns.ravel(), whole.ravel())
    return Episode(*(torch.as_tensor(part) for part in parts))
