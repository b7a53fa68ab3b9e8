"""What acts in a model of stable-baselines3, as a network of ours: its deterministic action without that library.

Names inside stable-baselines3's policies are used only here.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from gan_env.errors import ConfigError
from gan_env.saved_controller import Layer, Network

ACTIVATIONS: dict[type[nn.Module], str] = {nn.Tanh: "tanh", nn.ReLU: "relu"}


def network_of(model: BaseAlgorithm, normalize: VecNormalize) -> Network:
    """The layers from observations to actions, with their weights and the normalisation.

    Raises:
        ConfigError: this version of stable-baselines3 builds its policies in another way.
    """
    try:
        return _network(list(_actor(model.policy)), normalize)
    except (AttributeError, KeyError) as error:
        known = "a version whose policies have their layers where those of 2.9 have them"
        version = f"stable-baselines3={stable_baselines3.__version__!r}"
        raise ConfigError(f"{version} can't be used ({error!r}): expected {known}") from error


def _actor(policy: Any) -> Iterable[nn.Module]:
    """The modules that an observation goes through; actions are clipped after them."""
    if hasattr(policy, "actor"):  # SAC, TQC
        return [*policy.actor.latent_pi, policy.actor.mu, nn.Tanh()]
    if not hasattr(policy, "mlp_extractor"):  # ARS
        return list(policy.action_net)
    recurrent = [policy.lstm_actor] if hasattr(policy, "lstm_actor") else []
    return [*recurrent, *policy.mlp_extractor.policy_net, policy.action_net]  # PPO, RecurrentPPO


def _network(modules: list[nn.Module], normalize: VecNormalize) -> Network:
    layers: list[Layer] = []
    weights: dict[str, torch.Tensor] = {}
    for place, module in enumerate(modules):
        if isinstance(module, nn.Linear):
            layers.append(("linear", module.in_features, module.out_features))
        elif isinstance(module, nn.LSTM):
            layers.append(("lstm", module.input_size, module.hidden_size))
        else:
            layers.append((ACTIVATIONS[type(module)],))
        own = module.state_dict().items()
        weights |= {f"layers.{place}.{name.removesuffix('_l0')}": tensor.clone() for name, tensor in own}
    statistics = normalize.obs_rms
    assert isinstance(statistics, RunningMeanStd)
    weights["mean"] = torch.from_numpy(statistics.mean.copy())  # in double precision, as it is applied
    weights["std"] = torch.from_numpy(np.sqrt(statistics.var + normalize.epsilon))
    network = Network(layers, len(statistics.mean), normalize.clip_obs)
    network.load_state_dict(weights, assign=True)
    return network
