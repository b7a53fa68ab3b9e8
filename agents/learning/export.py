"""What acts in a model of stable-baselines3, as a network of ours: its deterministic action without that library.

Names inside stable-baselines3's policies are used only here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from gan_env.errors import ConfigError
from gan_env.saved_controller import Network


def network_of(model: BaseAlgorithm, normalize: VecNormalize) -> Network:
    """The layers from observations to actions, with their weights and the normalisation of observations.

    Raises:
        ConfigError: this version of stable-baselines3 builds its policies in another way, or the policy has layers that
            a `Network` doesn't have.
    """
    try:
        modules = _actor(model.policy)
    except AttributeError as error:
        known = "a version whose policies have their layers where those of 2.9 have them"
        version = f"stable-baselines3={stable_baselines3.__version__!r}"
        raise ConfigError(f"{version} can't be used ({error!r}): expected {known}") from error
    statistics = normalize.obs_rms
    assert isinstance(statistics, RunningMeanStd)
    std = np.sqrt(statistics.var + normalize.epsilon)  # in double precision, as it is applied
    return Network.of(modules, torch.from_numpy(statistics.mean.copy()), torch.from_numpy(std), normalize.clip_obs)


def _actor(policy: Any) -> Sequence[nn.Module]:
    """The modules that an observation goes through; actions are clipped after them."""
    if hasattr(policy, "actor"):  # SAC, TQC
        return [policy.actor.latent_pi, policy.actor.mu, nn.Tanh()]
    if not hasattr(policy, "mlp_extractor"):  # ARS
        return [policy.action_net]
    recurrent = [policy.lstm_actor] if hasattr(policy, "lstm_actor") else []
    return [*recurrent, policy.mlp_extractor.policy_net, policy.action_net]  # PPO, RecurrentPPO
