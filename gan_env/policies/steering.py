"""What all policies have in common, and a helper that reads observations and writes actions by name.

A policy has the same `predict` as a stable-baselines3 model, for many rows at once.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gan_env.config import EnvConfig
from gan_env.mdp.knobs import KnobSet
from gan_env.mdp.observation import Observer

Floats = NDArray[np.float32]
State = tuple[NDArray[Any], ...] | None
"""What a policy keeps between two calls."""
EpisodeStart = NDArray[np.bool_] | None
"""The rows in which an episode starts, [N]."""


class Steerable(Protocol):
    """What a policy is made for: an environment, or a training loop of somebody's own (`gan_env.controller`)."""

    @property
    def config(self) -> EnvConfig:
        """The options: how actions move knobs, how many decisions there are."""

    @property
    def knobs(self) -> KnobSet:
        """What is moved."""

    @property
    def observer(self) -> Observer:
        """What is seen."""


class Policy(Protocol):
    """A schedule, an adaptive rule, a stable-baselines3 model: whatever has `predict`."""

    def predict(
        self, observation: Floats, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Floats, State]:
        """Observations [N, F] -> actions [N, K] in [-1, 1], and the policy's own state for the next call."""


def start_of(policy: Policy | None) -> dict[str, Any]:
    """Knob -> where the policy lets it start, a number or [N]; the others start at their initial values."""
    return dict(getattr(policy, "start", {}))


class Steering:
    """Reads observations by name, and writes the actions that take the knobs where a policy wants them.

    Args:
        env: what is acted in.
        needed: statistics that the policy reads, besides the knobs' coordinates (and progress, where a run's first move
            is larger than the others).

    Raises:
        ConfigError: one of them is not observed.

    Attributes:
        reads: the statistics that are read, by name.
    """

    def __init__(self, env: Steerable, needed: Sequence[str]) -> None:
        self.mode, self.largest, self.first = env.config.action_mode, env.config.max_change, env.config.max_first_change
        self.observer, self.knobs = env.observer, [f"knob_{knob}" for knob in env.config.knobs]
        self.inverses = {s.name: s.inverse for s in env.observer.statistics if s.inverse is not None}
        reads = (*needed, *self.knobs, *(["progress"] if self.first != self.largest else []))
        self.reads = tuple(dict.fromkeys(reads))
        for name in self.reads:
            self.observer.place(name)

    def read(self, observation: Floats, name: str) -> Floats:
        """One statistic of every row as it is observed: [N, F] -> [N]."""
        column: Floats = observation[:, self.observer.place(name)]
        return column

    def value(self, observation: Floats, name: str) -> NDArray[np.float64]:
        """What a statistic stands for, in its own unit: a learning rate, not its logarithm. [N, F] -> [N]."""
        return self.inverses[name](self.read(observation, name).astype(np.float64))

    def coordinates(self, observation: Floats) -> NDArray[Any]:
        """The controlled knobs of every row: [N, F] -> [N, K] in [0, 1]."""
        return np.stack([self.inverses[name](self.read(observation, name)) for name in self.knobs], axis=1)

    def first_move(self, observation: Floats) -> NDArray[np.bool_]:
        """The rows that are at their first decision, bool [N]; none where all moves are equally large."""
        if self.first == self.largest:
            return np.zeros(len(observation), bool)
        return np.asarray(self.value(observation, "progress") == 0)

    def action(self, observation: Floats, wanted: NDArray[Any]) -> Floats:
        """The action [N, K] that takes the knobs to the coordinates `wanted` [N, K], or as near as one move gets."""
        if self.mode == "absolute":
            action = 2 * wanted - 1
        else:
            largest = np.where(self.first_move(observation), self.first, self.largest)[:, None]
            action = (wanted - self.coordinates(observation)) / largest
        clipped: Floats = np.clip(action, -1, 1).astype(np.float32)
        return clipped
