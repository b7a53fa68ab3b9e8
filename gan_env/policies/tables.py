"""Schedules as policies: they play a table of knob values, whatever happens.

They have no memory: progress and the knobs' coordinates are in the observation. So any row may be at any moment of its
run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gan_env.errors import require
from gan_env.mdp.knobs import RATES
from gan_env.policies.schedules import Anneal
from gan_env.policies.steering import EpisodeStart, State, Steerable, Steering
from gan_env.records import Float32, Float64

Values = dict[str, Float64]
"""Name of a knob -> its value during each interval, [T]."""


def schedule_values(
    env: Steerable, anneals: Mapping[str, Anneal], tables: Mapping[str, Sequence[float]] | None = None
) -> Values:
    """The values of each knob during each interval.

    The first interval has the first value, the last interval the last; those between are evenly spaced, so interval i
    of T is at the share i / (T - 1) of the run. (Of a single interval, the first value.)

    Args:
        env: the environment, which says what is controlled and how many intervals there are.
        anneals: annealed knobs; from the share `until` on they have their final value.
        tables: knobs given by values from the start of the run to its end, evenly spaced and joined by lines.

    Raises:
        ConfigError: there is no such knob, or it is not controlled.
    """
    tables, controlled, decisions = tables or {}, env.config.knobs, env.config.num_decisions
    for option, given in (("knobs", anneals), ("table", tables)):
        for name in given:
            known = f"one of the knobs {sorted(env.knobs.table)}"
            require(name in env.knobs.table, f"policy.{option}.{name}", str(given[name]), known)
    lacking = [name for name in (*anneals, *tables) if name not in controlled]
    require(not lacking, "env.knobs", list(controlled), f"{lacking} among them, which the policy moves")
    progress = np.arange(decisions) / max(decisions - 1, 1)  # [T]
    values = {name: anneal.values(progress) for name, anneal in anneals.items()}
    return values | {name: np.interp(progress, np.linspace(0, 1, len(t)), t) for name, t in tables.items()}


def require_positive(key: str, values: Float64, expected: str = "finite numbers above 0") -> None:
    """Raises a `ConfigError` about `key` that says what is `expected`, unless all values are finite and above 0."""
    require(bool((np.isfinite(values) & (values > 0)).all()), key, values.tolist(), expected)


def require_own_rates(env: Steerable) -> None:
    """Refuses an environment whose rule sets the learning rates, for a policy that sets them itself."""
    require(env.config.rates == "given", "env.rates", env.config.rates, "'given': this policy sets the rates itself")


class TablePolicy:
    """Plays given values of the knobs, whatever happens: open loop.

    Knobs without values keep their initial values.

    Attributes:
        table: the coordinate of each controlled knob during each interval, [T, K] in [0, 1].
        start: where the knobs start, by name: at the table's first entry.

    Raises:
        ConfigError: a value is outside the knob's bounds, or progress is not observed.
    """

    def __init__(self, env: Steerable, values: Values) -> None:
        self.decisions, self.steering = env.config.num_decisions, Steering(env, ["progress"])
        columns = [np.full(self.decisions, float(u)) for u in env.knobs.initial.cpu()]
        for name, column in values.items():
            knob = env.knobs.table[name]
            low, high = knob.bounds
            outside = [float(f"{v:.4g}") for v in column if not low - 1e-9 <= v <= high + 1e-9]
            require(not outside, name, outside[:3], f"values from {low} to {high}")
            columns[env.config.knobs.index(name)] = knob.encode(torch.from_numpy(column)).numpy()
        self.table = np.stack(columns, axis=1).astype(np.float32)
        first = env.knobs.starts(self.table[:1])
        self.start: dict[str, Any] = {name: float(value[0]) for name, value in first.items()}

    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, State]:
        """The action that takes each knob to the table's entry for this moment."""
        progress = self.steering.value(observation, "progress")
        decision = np.clip(np.rint(progress * self.decisions).astype(int), 0, self.decisions - 1)
        return self.steering.action(observation, self.wanted(observation, decision)), state

    def wanted(self, observation: Float32, decision: NDArray[Any]) -> Float32:
        """The coordinates [N, K] for these decisions [N]."""
        coordinates: Float32 = self.table[decision]
        return coordinates


MIDDLE_RATE = 1e-3
"""The learning rate at which slopes change nothing."""


class RatesPolicy(TablePolicy):
    """A schedule of which `lr_g` and `lr_d` are learning rates themselves, not factors on the instance's rates.

    With slopes they depend on what a run was started with, linear in logarithms:

        log rate(t) = log value(t) + slope_g(t) log(lr_g / MIDDLE_RATE) + slope_d(t) log(lr_d / MIDDLE_RATE)

    It reads the instance's rates from the observation, so it undoes whatever imbalance a run was started with as far as
    the factors' bounds allow. Its factors start at their initial values and get there as fast as moves can, with
    `max_first_change` 1 by the first.

    Raises:
        ConfigError: neither rate is among the values, one is not above 0, the environment doesn't observe what it was
            started with, or its own rule sets the rates.
    """

    def __init__(self, env: Steerable, values: Values, slopes: Mapping[str, Values] | None = None) -> None:
        require_own_rates(env)
        super().__init__(env, {name: v for name, v in values.items() if name not in RATES})
        self.slopes = slopes or {}
        for name in (*self.slopes, *(told for by_rate in self.slopes.values() for told in by_rate)):
            require(name in RATES and name in values, "policy.slopes", name, f"one of {list(RATES)}, with values")
        self.knobs, self.rates = env.knobs.controlled, {name: v for name, v in values.items() if name in RATES}
        require(bool(self.rates), "policy.knobs", list(values), f"one of {list(RATES)}")
        for name, rates in self.rates.items():
            require_positive(f"learning rates of {name}", rates)
            del self.start[name]
        self.steering = Steering(env, ["progress", *self.rates])

    def wanted(self, observation: Float32, decision: NDArray[Any]) -> Float32:
        """The coordinates [N, K] for these decisions [N]."""
        coordinates = super().wanted(observation, decision)
        for column, knob in enumerate(self.knobs):
            if knob.name in self.rates:
                factors = self.rates[knob.name][decision] / self.steering.value(observation, knob.name)
                for told, slope in self.slopes.get(knob.name, {}).items():
                    factors = factors * (self.steering.value(observation, told) / MIDDLE_RATE) ** slope[decision]
                coordinates[:, column] = knob.encode(torch.from_numpy(factors)).numpy()
        return coordinates
