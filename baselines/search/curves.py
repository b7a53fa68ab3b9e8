"""Curves: open-loop schedules given by coordinates over the run, which continuous methods of tuning search."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from optuna.trial import BaseTrial

from gan_env import GANVectorEnv
from gan_env.errors import require
from gan_env.mdp.knobs import RATES, DynamicParameter
from gan_env.policies import PolicyOptions
from gan_env.records import Float64

ANCHORS = 4
"""Moments, evenly spaced over the run, at which a knob's coordinate is searched; between them it goes in a line."""


def curves(trial: BaseTrial, env: GANVectorEnv) -> PolicyOptions:
    """A curve for every controlled knob, by its coordinate at each anchor."""
    names = env.config.knobs
    return drawn(env, between([[trial.suggest_float(anchor(n, a), 0, 1) for n in names] for a in range(ANCHORS)], env))


def linear_rates(trial: BaseTrial, env: GANVectorEnv) -> PolicyOptions:
    """Curves of learning rates themselves, which depend on those that a run was started with, and of the other knobs.

    At a moment t of the run, where lr_g and lr_d are the learning rates that it was started with:

        log rate(t) = log value(t) + slope_g(t) log(lr_g / 1e-3) + slope_d(t) log(lr_d / 1e-3)

    Value and slopes of each rate are searched at the anchors, slopes in [-1, 1]; between them they go in a line (values
    by their coordinates). `RatesPolicy` plays it. Of the rates, only those that are controlled count.

    Raises:
        ConfigError: neither rate is controlled.
    """
    require(bool(told(env)), "env.knobs", list(env.config.knobs), f"one of {list(RATES)}, the rates that are told")

    def curve(name: str) -> tuple[float, ...]:
        column = between([[trial.suggest_float(anchor(name, a), 0, 1)] for a in range(ANCHORS)], env)
        return tuple(column[:, 0].tolist())

    table = {knob.name: tuple(value_at(knob, u) for u in curve(knob.name)) for knob in rate_knobs(env)}
    slopes = {
        knob: {rate: tuple(round(2 * u - 1, 4) for u in curve(slope(knob, rate))) for rate in told(env)}
        for knob in told(env)
    }
    return PolicyOptions(kind="rates", table=table, slopes=slopes)


def told(env: GANVectorEnv) -> list[str]:
    """The rates that a run was started with, of those that are controlled."""
    return [knob for knob in env.config.knobs if knob in RATES]


def slope(knob: str, rate: str) -> str:
    """The name of the parameters of a slope; at 0.5 there is none."""
    return f"{knob}.{rate}"


def rate_knobs(env: GANVectorEnv) -> list[DynamicParameter]:
    """The controlled knobs, with the range of a learning rate where a knob is a factor on one."""
    rate = DynamicParameter("rate", 1e-3, (1e-5, 3e-2), "log")
    return [replace(rate, name=k.name) if k.name in RATES else k for k in env.knobs.controlled]


def anchor(knob: str, number: int) -> str:
    """The name of a parameter."""
    return f"{knob}.{number}"


def between(anchors: Sequence[Sequence[float]], env: GANVectorEnv) -> Float64:
    """What values at the anchors [ANCHORS, C] are during each interval, [T, C]."""
    places, moments = np.linspace(0, 1, ANCHORS), np.linspace(0, 1, env.config.num_decisions)
    return np.stack([np.interp(moments, places, column) for column in np.transpose(anchors)], axis=1)


def drawn(env: GANVectorEnv, table: NDArray[np.floating]) -> PolicyOptions:
    """The policy that has the knobs at the coordinates `table` [T, K], in [0, 1], during the intervals."""
    columns = zip(env.knobs.controlled, table.T, strict=True)
    return PolicyOptions(kind="table", table={k.name: tuple(value_at(k, float(c)) for c in u) for k, u in columns})


def value_at(knob: DynamicParameter, coordinate: float) -> float:
    """A knob's value, with four digits, within its bounds."""
    return knob.rounded(float(knob.decode(torch.tensor(coordinate, dtype=torch.float64))))
