"""What all policies have in common, and a helper that reads observations and writes actions by name.

A policy has the same `predict` as a stable-baselines3 model, for many rows at once.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gan_env.config import EnvConfig
from gan_env.mdp.knobs import GAINS, RATES, TARGETS, KnobSet, decades
from gan_env.mdp.observation import Observer
from gan_env.records import FLOOR, Float32, Float64

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
    """A schedule, an adaptive rule, a stable-baselines3 model: whatever has this `predict`."""

    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, State]:
        """Observations [N, F] -> actions [N, K] in [-1, 1], and the policy's own state for the next call."""


def start_of(policy: Policy) -> dict[str, Any]:
    """Knob -> where the policy lets it start, a number or [N]; the others start at their initial values."""
    return dict(getattr(policy, "start", {}))


def step_of(rate: str, unit: str) -> str:
    """The statistic of the steps that a rate makes larger: of "lr_g" "step_g", or in a unit "balanced_g"."""
    return rate.replace("lr", unit)


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
        places: their places in an observation.
    """

    def __init__(self, env: Steerable, needed: Sequence[str]) -> None:
        self.mode, self.largest, self.first = env.config.action_mode, env.config.max_change, env.config.max_first_change
        self.knobs = [f"knob_{knob}" for knob in env.config.knobs]
        turned = [(i, knob) for i, knob in enumerate(env.knobs.controlled) if knob.name in RATES]
        self.led = turned if self.mode in TARGETS else []  # knobs whose actions are targets
        needed = [*needed, *(self._step(knob.name) for _, knob in self.led)]
        self.inverses = {s.name: s.inverse for s in env.observer.statistics if s.inverse is not None}
        reads = (*needed, *self.knobs, *(["progress"] if self.led or self.first != self.largest else []))
        self.reads = tuple(dict.fromkeys(reads))
        self.places = {name: env.observer.place(name) for name in self.reads}

    def read(self, observation: Float32, name: str) -> Float32:
        """One statistic of every row as it is observed: [N, F] -> [N]."""
        column: Float32 = observation[:, self.places[name]]
        return column

    def value(self, observation: Float32, name: str) -> Float64:
        """What a statistic stands for, in its own unit: a learning rate, not its logarithm. [N, F] -> [N]."""
        return self.inverses[name](self.read(observation, name).astype(np.float64))

    def coordinates(self, observation: Float32) -> NDArray[Any]:
        """The controlled knobs of every row: [N, F] -> [N, K] in [0, 1]."""
        return np.stack([self.inverses[name](self.read(observation, name)) for name in self.knobs], axis=1)

    def first_move(self, observation: Float32) -> NDArray[np.bool_]:
        """The rows that are at their first decision, bool [N]; none where all moves are equally large."""
        if "progress" not in self.reads:
            return np.zeros(len(observation), bool)
        return np.asarray(self.value(observation, "progress") == 0)

    def steps(self, observation: Float32) -> Float32:
        """What `KnobSet.move` needs of steps where they decide what an action does, else 0: [N, F] -> [N, 2]."""
        steps = np.zeros((len(observation), len(RATES)), np.float32)
        for _, knob in self.led:
            steps[:, RATES.index(knob.name)] = self.value(observation, self._step(knob.name)) - FLOOR
        return steps

    def action(self, observation: Float32, wanted: NDArray[Any]) -> Float32:
        """The action [N, K] that takes the knobs to the coordinates `wanted` [N, K], or as near as one move gets."""
        if self.mode == "absolute":
            action = 2 * wanted - 1
        else:
            first, distance = self.first_move(observation), wanted - self.coordinates(observation)
            action = distance / np.where(first, self.first, self.largest)[:, None]
            for column, knob in self.led:  # the target that closes the distance: `KnobSet.move`, backwards
                low, high = np.log10(TARGETS[self.mode])
                step = np.log10(self.value(observation, self._step(knob.name)))
                target = step + distance[:, column] * decades(knob) / GAINS[self.mode]
                unmeasured = first & (self.mode == "steps")
                action[:, column] = np.where(unmeasured, action[:, column], 2 * (target - low) / (high - low) - 1)
        clipped: Float32 = np.clip(action, -1, 1).astype(np.float32)
        return clipped

    def _step(self, rate: str) -> str:
        return step_of(rate, {"steps": "step"}.get(self.mode, self.mode))
