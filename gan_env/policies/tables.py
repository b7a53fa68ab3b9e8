"""Schedules as policies: they play a table of knob values, whatever happens.

They keep no counters: what they need (progress and the knobs' coordinates) is in the observation. So any row may be at
any moment of its run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gan_env.errors import require
from gan_env.policies.schedules import AnnealedScheduler, TableScheduler
from gan_env.policies.steering import Floats, State, Steering
from gan_env.vector_env import GANVectorEnv

RATES = ("lr_g", "lr_d")
"""Knobs that are factors on a rate of the instance, which is observed under the same name."""


@dataclass(frozen=True)
class Anneal:
    """One knob's schedule: a kind, two values, and the share of the run within which it goes from one to the other."""

    kind: str
    initial: float
    final: float = 0.0
    decay_rate: float | None = None
    until: float = 1.0

    def __str__(self) -> str:
        if self.kind == "fixed":
            return f"{self.initial:g}"
        held = "" if self.until == 1 else f" until {self.until:g}"
        return f"{self.kind} {self.initial:g}->{self.final:g}{held}"


class TablePolicy:
    """Plays a table of knob coordinates, whatever happens: open loop.

    Args:
        env: the environment that it will act in.
        table: coordinate of each controlled knob during each interval, [T, K] in [0, 1], or a table a row, [N, T, K].
        start: where the knobs start, by name; None: at the table's first entry.
    """

    def __init__(self, env: GANVectorEnv, table: Floats, start: Mapping[str, Any] | None = None) -> None:
        decisions, knobs = env.config.num_decisions, len(env.config.knobs)
        require(table.shape[-2:] == (decisions, knobs), "table.shape", table.shape, f"[{decisions}, {knobs}]")
        self.table = table
        first = torch.from_numpy(np.ascontiguousarray(table[..., 0, :]))
        there = {knob.name: knob.decode(first[..., i]).numpy() for i, knob in enumerate(env.knobs.controlled)}
        self.start = there if start is None else dict(start)
        self.decisions, self.steering = decisions, Steering(env, ["progress"])

    def predict(
        self,
        observation: Floats,
        state: State = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Floats, State]:
        """The action that takes each knob to the table's entry for this moment."""
        progress = self.steering.value(observation, "progress")
        decision = np.clip(np.rint(progress * self.decisions).astype(int), 0, self.decisions - 1)
        return self.steering.action(observation, self.wanted(observation, decision)), state

    def wanted(self, observation: Floats, decision: NDArray[Any]) -> NDArray[Any]:
        """The coordinates [N, K] for these decisions [N]."""
        table = self.table if self.table.ndim == 3 else np.broadcast_to(self.table, (len(decision), *self.table.shape))
        coordinates: NDArray[Any] = table[np.arange(len(decision)), decision]
        return coordinates


def annealed(env: GANVectorEnv, anneals: Mapping[str, Anneal]) -> dict[str, NDArray[np.float64]]:
    """The values of a schedule a knob during each interval, [T].

    The first interval has the schedule's first value, the last interval its last; those between are evenly spaced, so
    interval i of T is at the share i / (T - 1). From the share `until` on a schedule has its last value. (Of a single
    interval, the first value.)
    """

    def values(anneal: Anneal) -> NDArray[np.float64]:
        scheduler = AnnealedScheduler(anneal.kind, anneal.decay_rate, anneal.until)
        return scheduler.values(_progress(env), anneal.initial, anneal.final)

    _check_controlled(env, anneals, "policy")
    return {name: values(anneal) for name, anneal in anneals.items()}


def tabulated(env: GANVectorEnv, tables: Mapping[str, Sequence[float]]) -> dict[str, NDArray[np.float64]]:
    """The values of a table a knob during each interval, [T]; a run may have any number of decisions."""
    _check_controlled(env, tables, "policy.table")
    return {name: TableScheduler(table).values(_progress(env)) for name, table in tables.items()}


def _check_controlled(env: GANVectorEnv, names: Iterable[str], key: str) -> None:
    for name in names:
        require(name in env.config.knobs, key, name, f"one of the controlled knobs {list(env.config.knobs)}")


def schedule_table(env: GANVectorEnv, anneals: Mapping[str, Anneal]) -> Floats:
    """The coordinates [T, K] of a schedule a knob; knobs that are not named keep their initial values."""
    return _coordinates(env, annealed(env, anneals))


def _progress(env: GANVectorEnv) -> NDArray[np.float64]:
    """The share of the run at which each interval's value is taken, [T]: 0 for the first, 1 for the last."""
    decisions = env.config.num_decisions
    progress: NDArray[np.float64] = np.arange(decisions) / max(decisions - 1, 1)
    return progress


def _coordinates(env: GANVectorEnv, values: Mapping[str, NDArray[np.float64]]) -> Floats:
    """Values of the named knobs during each interval, [T] each -> coordinates of all controlled knobs, [T, K].

    Raises:
        ConfigError: a value outside the knob's bounds.
    """
    columns = [np.full(env.config.num_decisions, float(u)) for u in env.knobs.initial.cpu()]
    for name, column in values.items():
        knob = env.knobs.table[name]
        low, high = knob.bounds
        inside = bool((column >= low - 1e-9).all() and (column <= high + 1e-9).all())
        require(inside, name, [float(f"{v:.4g}") for v in column], f"values from {low} to {high}")
        columns[env.config.knobs.index(name)] = knob.encode(torch.from_numpy(column)).numpy()
    return np.stack(columns, axis=1).astype(np.float32)


def schedule_policy(env: GANVectorEnv, anneals: Mapping[str, Anneal]) -> TablePolicy:
    """A policy that anneals each named knob, starting at the schedule's first value."""
    return TablePolicy(env, schedule_table(env, anneals))


def tabulated_policy(env: GANVectorEnv, tables: Mapping[str, Sequence[float]]) -> TablePolicy:
    """Plays a table of values a knob; other knobs keep their initial values."""
    return TablePolicy(env, _coordinates(env, tabulated(env, tables)))


def published_policy(env: GANVectorEnv, anneals: Mapping[str, Anneal]) -> TablePolicy:
    """A published schedule: anneals those of its knobs that the environment controls, the others don't move.

    Raises:
        ConfigError: a knob that doesn't exist, or none of its knobs is controlled.
    """
    for name in anneals:
        require(name in env.knobs.table, "policy", name, f"one of the knobs {sorted(env.knobs.table)}")
    controlled = {name: anneal for name, anneal in anneals.items() if name in env.config.knobs}
    needs = f"at least one of the schedule's knobs {sorted(anneals)}"
    require(len(controlled) > 0, "env.knobs", list(env.config.knobs), needs)
    return schedule_policy(env, controlled)


class RatesPolicy(TablePolicy):
    """A schedule of which `lr_g` and `lr_d` are learning rates themselves, not factors on the instance's rates.

    It reads the instance's rates off the observation, so it undoes whatever imbalance a run was started with as far as
    the factors' bounds allow. Its factors start at their initial values and get there as fast as moves can, with
    `max_first_change` 1 by the first.

    Args:
        env: the environment that it will act in.
        values: of each knob during each interval, [T]; knobs that are not named keep their initial values.

    Raises:
        ConfigError: neither rate is among the values, one is not above 0, or the environment doesn't observe what it
            was started with.
    """

    def __init__(self, env: GANVectorEnv, values: Mapping[str, NDArray[np.float64]]) -> None:
        super().__init__(env, _coordinates(env, {name: v for name, v in values.items() if name not in RATES}))
        names = list(env.config.knobs)
        self.rates = {n: (names.index(n), env.knobs.table[n], v) for n, v in values.items() if n in RATES}
        require(bool(self.rates), "policy.knobs", list(values), f"one of {list(RATES)}")
        for name, (_, _, rates) in self.rates.items():
            fits = bool((np.isfinite(rates) & (rates > 0)).all())
            require(fits, f"learning rates of {name}", rates.tolist(), "finite numbers above 0")
            del self.start[name]
        self.steering = Steering(env, ["progress", *self.rates])

    def wanted(self, observation: Floats, decision: NDArray[Any]) -> NDArray[Any]:
        """The coordinates [N, K] for these decisions [N]."""
        coordinates = super().wanted(observation, decision).copy()
        for name, (column, knob, rates) in self.rates.items():
            given = self.steering.value(observation, name)
            coordinates[:, column] = knob.encode(torch.from_numpy(rates[decision] / given)).numpy()
        return coordinates
