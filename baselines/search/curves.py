"""Curves: open-loop schedules given by coordinates over the run, which continuous methods of tuning search."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from optuna.trial import BaseTrial

from gan_env import GANVectorEnv
from gan_env.mdp.knobs import DynamicParameter
from gan_env.policies import PolicyOptions

ANCHORS = 4
"""Moments, evenly spaced over the run, at which a knob's coordinate is searched; between them it goes in a line."""


def curves(trial: BaseTrial, env: GANVectorEnv) -> PolicyOptions:
    """A curve for every controlled knob, by its coordinate at each anchor."""
    names = env.config.knobs
    return drawn(env, between([[trial.suggest_float(anchor(n, a), 0, 1) for n in names] for a in range(ANCHORS)], env))


def anchor(knob: str, number: int) -> str:
    """The name of a parameter."""
    return f"{knob}.{number}"


def between(anchors: Sequence[Sequence[float]], env: GANVectorEnv) -> NDArray[np.float64]:
    """What values at the anchors [ANCHORS, C] are during each interval, [T, C]."""
    places, moments = np.linspace(0, 1, ANCHORS), np.linspace(0, 1, env.config.num_decisions)
    return np.stack([np.interp(moments, places, column) for column in np.transpose(anchors)], axis=1)


def at_anchors(table: NDArray[np.float32]) -> NDArray[np.float64]:
    """A table's values [T, C] at the anchors, [ANCHORS, C]: those of the nearest intervals."""
    nearest = np.linspace(0, len(table) - 1, ANCHORS).round().astype(int)
    return np.asarray(table[nearest], np.float64)


def drawn(env: GANVectorEnv, table: NDArray[np.floating]) -> PolicyOptions:
    """The policy that has the knobs at the coordinates `table` [T, K], in [0, 1], during the intervals."""
    columns = zip(env.knobs.controlled, table.T, strict=True)
    return PolicyOptions(kind="table", table={k.name: tuple(value_at(k, float(c)) for c in u) for k, u in columns})


def value_at(knob: DynamicParameter, coordinate: float) -> float:
    """A knob's value, with four digits."""
    return float(f"{float(knob.decode(torch.tensor(coordinate, dtype=torch.float64))):.4g}")
