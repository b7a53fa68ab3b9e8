"""A training's checkpoint: one file from which it continues as if nothing had happened.

Private attributes of stable-baselines3 (`_last_obs` and the like) are named only here.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import stable_baselines3
import torch
from gymnasium import Space
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import BaseBuffer
from torch import Tensor

from agents.learning.run_folder import CHECKPOINT, RunFolder
from gan_env import Fleet, GANVectorEnv
from gan_env.errors import require
from gan_env.files import load_checkpoint, save_checkpoint

EVERY = (
    "num_timesteps", "_n_updates", "_episode_num", "_last_obs", "_last_original_obs", "_last_episode_starts",
    "action_space",  # its random generator, which SAC and TQC warm up by
)  # fmt: skip
OWN = {
    "RecurrentPPO": ("_last_lstm_states",),
    "SAC": ("replay_buffer", "log_ent_coef"),
    "TQC": ("replay_buffer", "log_ent_coef"),
    "BatchedARS": ("weights",),
}
"""What a model consists of besides its parameters and optimisers: attributes of every model, and of single classes."""
STATISTICS = ("mean", "var", "count")
"""Of the observations, in stable-baselines3's `RunningMeanStd`."""


def attributes(model: BaseAlgorithm) -> tuple[str, ...]:
    """The attributes that a checkpoint of this model needs.

    Raises:
        ConfigError: this version of stable-baselines3 has renamed one: a training could not be continued.
    """
    names = (*EVERY, *OWN.get(type(model).__name__, ()))
    missing = [name for name in names if not hasattr(model, name)]
    known = f"a version whose {type(model).__name__} has {', '.join(missing)}, such as 2.9"
    require(not missing, "stable-baselines3", stable_baselines3.__version__, known)
    return names


def save_training(folder: RunFolder, model: BaseAlgorithm, env: GANVectorEnv | Fleet) -> None:
    """Saves a training in one file: model, normalisation, every GAN, random states."""
    normalize = model.get_vec_normalize_env()
    assert normalize is not None
    state = {
        "parameters": model.get_parameters(),
        "attributes": {name: _plain(getattr(model, name)) for name in attributes(model)},
        "normalize": {name: getattr(normalize.obs_rms, name) for name in STATISTICS},
        "observation": normalize.old_obs,
        "env": env.get_state(),
        "random": (random.getstate(), np.random.get_state(), torch.get_rng_state()),
    }
    save_checkpoint(folder.path / CHECKPOINT, state)


def restore_training(path: Path, model: BaseAlgorithm, env: GANVectorEnv | Fleet) -> None:
    """Restores what `save_training` saved.

    Raises:
        ConfigError: the checkpoint is damaged, or another version made it.
    """
    state = load_checkpoint(path)
    normalize = model.get_vec_normalize_env()
    assert normalize is not None
    normalize.reset()
    model.set_parameters(state["parameters"])
    for name, value in state["attributes"].items():
        setattr(model, name, _restored(getattr(model, name), value))
    for name, value in state["normalize"].items():
        setattr(normalize.obs_rms, name, value)
    normalize.old_obs = state["observation"]
    env.set_state(state["env"])
    python_state, numpy_state, torch_state = state["random"]
    random.setstate(python_state)
    np.random.set_state(numpy_state)
    torch.set_rng_state(torch_state)


def _plain(value: Any) -> Any:
    """An attribute of a model as what a checkpoint may hold."""
    if isinstance(value, Space):
        return value.np_random.bit_generator.state
    if isinstance(value, BaseBuffer):
        return {name: part for name, part in vars(value).items() if isinstance(part, np.ndarray | int)}
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value  # a named one is a class of its own


def _restored(current: Any, value: Any) -> Any:
    """The attribute, given what it is now and what `_plain` made of the saved one."""
    if isinstance(current, Space):
        current.np_random.bit_generator.state = value
    elif isinstance(current, BaseBuffer):
        vars(current).update(value)
    elif isinstance(current, Tensor) and current.requires_grad:
        current.data.copy_(value)  # an optimiser holds this very tensor
    else:
        named = isinstance(current, tuple) and hasattr(current, "_make")
        return current._make(value) if named else value
    return current
