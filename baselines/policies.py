"""Schedules as policies: the same `predict` as stable-baselines3 has, for many rows at once.

They keep no counters: what they need (progress and the knobs' coordinates) stands in the observation. So any row may be
at any moment of its run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.schedules import AnnealedScheduler
from gan_env import GANVectorEnv
from gan_env.config import require

Floats = NDArray[np.float32]
State = tuple[NDArray[Any], ...] | None


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


@dataclass(frozen=True)
class Anneal:
    """One knob's schedule: a kind and two values."""

    kind: str
    initial: float
    final: float = 0.0
    decay_rate: float | None = None

    def __str__(self) -> str:
        return f"{self.initial:g}" if self.kind == "fixed" else f"{self.kind} {self.initial:g}->{self.final:g}"


class TablePolicy:
    """Plays a table of knob coordinates, whatever happens: open loop.

    Args:
        env: the environment that it will act in.
        table: coordinate of each controlled knob during each interval, [T, K] in [0, 1], or a table a row, [N, T, K].
        start_there: whether runs start with the knobs at the table's first entry, else at the initial values.
    """

    def __init__(self, env: GANVectorEnv, table: Floats, start_there: bool = True) -> None:
        decisions, knobs = env.config.num_decisions, len(env.config.knobs)
        require(table.shape[-2:] == (decisions, knobs), "table.shape", table.shape, f"[{decisions}, {knobs}]")
        self.table = table
        first = torch.from_numpy(np.ascontiguousarray(table[..., 0, :]))
        self.start = {
            k.name: k.decode(first[..., i]).numpy() for i, k in enumerate(env.knobs.controlled) if start_there
        }
        self.mode, self.max_change, self.decisions = env.config.action_mode, env.config.max_change, decisions
        names = env.observer.names
        needed = ["progress", *[f"knob_{name}" for name in env.config.knobs]]
        for name in needed:
            require(name in names, "observation", names, f"the statistic {name!r}, which schedules act on")
        self.columns = [names.index(name) for name in needed]

    def predict(
        self,
        observation: Floats,
        state: State = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Floats, State]:
        """The action that takes each knob to the table's entry for this moment."""
        progress, coordinates = observation[:, self.columns[0]], (observation[:, self.columns[1:]] + 1) / 2
        decision = np.clip(np.rint(progress * self.decisions).astype(int), 0, self.decisions - 1)
        table = self.table if self.table.ndim == 3 else np.broadcast_to(self.table, (len(decision), *self.table.shape))
        target = table[np.arange(len(decision)), decision]  # [N, K]
        action = 2 * target - 1 if self.mode == "absolute" else (target - coordinates) / self.max_change
        return np.clip(action, -1, 1).astype(np.float32), state


def schedule_table(env: GANVectorEnv, anneals: Mapping[str, Anneal]) -> Floats:
    """The coordinates [T, K] of a schedule a knob; knobs that are not named keep their initial values.

    The first interval has the schedule's first value, the last interval its last.
    """
    decisions = env.config.num_decisions
    progress = np.arange(decisions) / max(decisions - 1, 1)
    columns = [np.full(decisions, float(u)) for u in env.knobs.initial.cpu()]
    for name, anneal in anneals.items():
        require(name in env.config.knobs, "policy", name, f"one of the controlled knobs {list(env.config.knobs)}")
        knob = env.knobs.table[name]
        values = AnnealedScheduler(anneal.kind, anneal.decay_rate).values(progress, anneal.initial, anneal.final)
        low, high = knob.bounds
        inside = bool((values >= low - 1e-9).all() and (values <= high + 1e-9).all())
        require(inside, name, str(anneal), f"values from {low} to {high}")
        columns[env.config.knobs.index(name)] = knob.encode(torch.from_numpy(values)).numpy()
    return np.stack(columns, axis=1).astype(np.float32)


def schedule_policy(env: GANVectorEnv, anneals: Mapping[str, Anneal]) -> TablePolicy:
    """A policy that anneals each named knob, starting at the schedule's first value."""
    return TablePolicy(env, schedule_table(env, anneals))


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
        self.column = env.observer.names.index("progress")

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
