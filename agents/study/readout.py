"""Read-outs: what a controller does on average, frozen as a table of values that anybody can play without learning."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.policies.tables import RATES

REPLAY, RATES_REPLAY = "_replay", "_rates_replay"
"""Suffixes of a read-out's name. In the second one learning rates are averaged as such, and not as factors on those of
an instance: so it, too, undoes what a run was started with."""
SUFFIXES = (REPLAY, RATES_REPLAY)


def controller_of(name: str) -> str:
    """The controller that a read-out of this name is of; of other policies the name itself."""
    return name.removesuffix(RATES_REPLAY).removesuffix(REPLAY)


def suffixes(knobs: Iterable[str]) -> tuple[str, ...]:
    """The read-outs that a controller of these knobs has."""
    return SUFFIXES if set(RATES) & set(knobs) else (REPLAY,)


def read_out(env: GANVectorEnv, episodes: Episodes, suffix: str) -> dict[str, Any]:
    """The read-out as fields of `PolicyOptions`.

    Args:
        env: the environment that the episodes were run in.
        episodes: of E runs that went through the instances one after another.
        suffix: which one.
    """
    rates = suffix == RATES_REPLAY
    return {"kind": "rates" if rates else "table", "table": mean_values(env, episodes, rates)}


def mean_values(env: GANVectorEnv, episodes: Episodes, rates: bool) -> dict[str, list[float]]:
    """The mean trajectory of every knob over episodes that went through the instances one after another.

    Args:
        env: the environment that they were run in.
        episodes: of E runs.
        rates: whether learning rates are averaged (in the logarithm), not the factors on those of the instances.

    Returns:
        The value during each interval by knob, T each.
    """
    mean = torch.from_numpy(episodes.coordinates.mean(axis=0, dtype=np.float64))  # [T, K]
    values = {name: column.cpu().numpy() for name, column in env.knobs.values(mean.to(env.device)).items()}
    runs = [env.instances[i % len(env.instances)] for i in range(len(episodes.final))]
    for name in set(RATES) & set(env.config.knobs) if rates else ():
        column = torch.from_numpy(episodes.coordinates[..., env.config.knobs.index(name)])  # [E, T]
        given = np.array([getattr(instance, name) for instance in runs])[:, None]
        values[name] = np.exp(np.log(env.knobs.table[name].decode(column).numpy() * given).mean(axis=0))
    return {knob: [float(f"{v:.4g}") for v in values[knob]] for knob in env.config.knobs}
