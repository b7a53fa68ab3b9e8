"""Read-outs: knob trajectories of a controller, to be played open loop. What is lost by that is what feedback gains.

From its mean trajectory to that of another run of the same instance, a controller gains by finding out which instance
it has; from there to the controller, by reacting to what happens in this very run.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.mdp.knobs import RATES
from gan_env.policies.steering import EpisodeStart, State, Steering
from gan_env.records import Float32

REPLAY_SUFFIX, RATES_REPLAY_SUFFIX, YOKED_SUFFIX = "_replay", "_rates_replay", "_yoked"
"""Suffixes of a read-out's name. The first averages the factors on learning rates, the second the rates themselves, so
that it sets the same rates whatever a run was started with. The third plays in each run what the controller did on the
same instance with another GAN seed."""
SUFFIXES = (REPLAY_SUFFIX, RATES_REPLAY_SUFFIX, YOKED_SUFFIX)


def controller_of(name: str) -> str:
    """The controller of a read-out; for other policies the name itself."""
    for suffix in (RATES_REPLAY_SUFFIX, REPLAY_SUFFIX, YOKED_SUFFIX):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def suffixes(knobs: Iterable[str]) -> tuple[str, ...]:
    """The suffixes of the read-outs of a controller that moves these knobs."""
    return SUFFIXES if set(RATES) & set(knobs) else (REPLAY_SUFFIX, YOKED_SUFFIX)


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


class Yoked:
    """Plays a knob trajectory of its own in each row, whatever happens.

    Args:
        env: what is acted in.
        tables: the coordinates that are wanted during each interval, [N, T, K] in [0, 1].

    Attributes:
        start: where the knobs start, [N] each.
    """

    def __init__(self, env: GANVectorEnv, tables: Float32) -> None:
        self.tables, self.steering = tables, Steering(env, ["progress"])
        self.start = env.knobs.starts(tables[:, 0])

    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, State]:
        """The action that takes each row's knobs to its own table's entry for this moment."""
        rows, decisions, _ = self.tables.shape
        decision = np.rint(self.steering.value(observation, "progress") * decisions).astype(int)
        wanted = self.tables[np.arange(rows), np.clip(decision, 0, decisions - 1)]
        return self.steering.action(observation, wanted), state
