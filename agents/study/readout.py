"""Read-outs: the mean knob trajectory of a controller as a table of values, to be played without learning."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.policies.tables import RATES

REPLAY_SUFFIX, RATES_REPLAY_SUFFIX = "_replay", "_rates_replay"
"""Suffixes of a read-out's name. The first averages the factors on learning rates, the second the rates themselves, so
that it sets the same rates whatever a run was started with."""
SUFFIXES = (REPLAY_SUFFIX, RATES_REPLAY_SUFFIX)


def controller_of(name: str) -> str:
    """The controller of a read-out; for other policies the name itself."""
    return name.removesuffix(RATES_REPLAY_SUFFIX).removesuffix(REPLAY_SUFFIX)


def suffixes(knobs: Iterable[str]) -> tuple[str, ...]:
    """The suffixes of the read-outs of a controller that moves these knobs."""
    return SUFFIXES if set(RATES) & set(knobs) else (REPLAY_SUFFIX,)


def read_out(env: GANVectorEnv, episodes: Episodes, suffix: str) -> dict[str, Any]:
    """A read-out as fields of `PolicyOptions`: the mean value of every knob during each interval.

    Args:
        env: the environment that the episodes were run in.
        episodes: of E runs that went through the instances one after another.
        suffix: which read-out.
    """
    mean = torch.from_numpy(episodes.coordinates.mean(axis=0, dtype=np.float64))  # [T, K]
    values = {name: column.cpu().numpy() for name, column in env.knobs.values(mean.to(env.device)).items()}
    runs = [env.instances[i % len(env.instances)] for i in range(len(episodes.final))]
    for name in set(RATES) & set(env.config.knobs) if suffix == RATES_REPLAY_SUFFIX else ():
        column = torch.from_numpy(episodes.coordinates[..., env.config.knobs.index(name)])  # [E, T]
        given = np.array([getattr(instance, name) for instance in runs])[:, None]
        values[name] = np.exp(np.log(env.knobs.table[name].decode(column).numpy() * given).mean(axis=0))
    table = {knob: [float(f"{v:.4g}") for v in values[knob]] for knob in env.config.knobs}  # [T] each
    return {"kind": "rates" if suffix == RATES_REPLAY_SUFFIX else "table", "table": table}
