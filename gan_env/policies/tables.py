"""Schedules as policies: the same `predict` as stable-baselines3 has, for many rows at once.

They keep no counters: what they need (progress and the knobs' coordinates) stands in the observation. So any row may be
at any moment of its run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from gan_env import GANVectorEnv
from gan_env.errors import require
from gan_env.mdp.observation import statistics
from gan_env.policies.schedules import AnnealedScheduler, TableScheduler

Floats = NDArray[np.float32]
State = tuple[NDArray[Any], ...] | None
RATES = ("lr_g", "lr_d")
"""Knobs that are factors on a rate of the instance, which is observed under the same name."""


class Policy(Protocol):
    """Whatever can be compared: a schedule, a heuristic, a stable-baselines3 model."""

    def predict(
        self,
        observation: Floats,
        state: State = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Floats, State]:
        """Observations [N, F] -> actions [N, K] in [-1, 1], and the policy's own state for the next call."""


def start_of(policy: Policy | None) -> dict[str, Any]:
    """Where a policy has the knobs start, a number or [N] a name; those that are not named start at initial values."""
    return dict(getattr(policy, "start", {}))


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


def place_of(env: GANVectorEnv, name: str) -> int:
    """Where a statistic is in the observations of an environment.

    Raises:
        ConfigError: it is not observed.
    """
    groups, names = {s.name: s.group for s in statistics(list(env.config.knobs))}, env.observer.names
    lacking = f"the statistic {name!r}, which the policy acts on: add the group {groups[name]!r}"
    require(name in names, "observation", names, lacking)
    return names.index(name)


class Steering:
    """Reads observations by name, and writes the actions that take the knobs where a policy wants them.

    Args:
        env: the environment that is acted in.
        needed: statistics that the policy reads, beside the knobs' coordinates (and progress, where a run's first move
            is larger than the others).

    Raises:
        ConfigError: the environment does not observe one of them.
    """

    def __init__(self, env: GANVectorEnv, needed: Sequence[str]) -> None:
        self.mode, self.largest, self.first = env.config.action_mode, env.config.max_change, env.config.first_change
        self.names = env.observer.names
        for name in (*needed, *(["progress"] if self.first != self.largest else [])):
            place_of(env, name)
        self.columns = [place_of(env, f"knob_{name}") for name in env.config.knobs]

    def read(self, observation: Floats, name: str) -> Floats:
        """One statistic of every row: [N, F] -> [N]."""
        column: Floats = observation[:, self.names.index(name)]
        return column

    def coordinates(self, observation: Floats) -> NDArray[Any]:
        """The controlled knobs of every row: [N, F] -> [N, K] in [0, 1]."""
        return (observation[:, self.columns] + 1) / 2

    def first_move(self, observation: Floats) -> NDArray[np.bool_]:
        """The rows that are at their first decision, bool [N]; none where all moves are as large."""
        if self.first == self.largest:
            return np.zeros(len(observation), bool)
        first: NDArray[np.bool_] = self.read(observation, "progress") == 0
        return first

    def action(self, observation: Floats, wanted: NDArray[Any]) -> Floats:
        """The action [N, K] that takes the knobs to the coordinates `wanted` [N, K], or as near as one move gets."""
        if self.mode == "absolute":
            action = 2 * wanted - 1
        else:
            largest = np.where(self.first_move(observation), self.first, self.largest)[:, None]
            action = (wanted - self.coordinates(observation)) / largest
        clipped: Floats = np.clip(action, -1, 1).astype(np.float32)
        return clipped


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
        progress = self.steering.read(observation, "progress")
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
            given = learning_rate(self.steering.read(observation, name))
            coordinates[:, column] = knob.encode(torch.from_numpy(rates[decision] / given)).numpy()
        return coordinates


def learning_rate(observed: NDArray[Any]) -> NDArray[Any]:
    """The learning rate that the statistics `lr_g` and `lr_d` stand for."""
    rate: NDArray[Any] = 10.0 ** (observed.astype(np.float64) - 3)
    return rate


class RandomPolicy:
    """Uniform random actions, each held for `hold` decisions (the held action is the policy's state).

    Args:
        env: the environment that it will act in.
        seed: seed of its actions.
        hold: decisions that an action is held for.
    """

    def __init__(self, env: GANVectorEnv, seed: int = 0, hold: int = 1) -> None:
        require(hold >= 1, "hold", hold, "at least 1")
        self.rng = np.random.default_rng(seed)
        self.hold, self.decisions, self.knobs = hold, env.config.num_decisions, len(env.config.knobs)
        self.start: dict[str, float] = {}
        self.column = place_of(env, "progress")

    def predict(
        self,
        observation: Floats,
        state: State = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Floats, State]:
        """A new action where a hold ends or an episode starts, else the held one."""
        action = self.rng.uniform(-1, 1, (len(observation), self.knobs)).astype(np.float32)
        if state is not None:
            decision = np.rint(observation[:, self.column] * self.decisions).astype(int)
            action = np.where((decision % self.hold == 0)[:, None], action, state[0])
        return action, (action,)
