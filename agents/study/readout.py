"""Read-outs: knob trajectories of a controller, to be played open loop. What is lost by that is what feedback gains.

From its mean trajectory to that of another run of the same instance, a controller gains by finding out which instance
it has; from there to the controller, by reacting to what happens in this very run.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gan_env import GANVectorEnv
from gan_env.config import EnvConfig
from gan_env.instance_lists import Instance
from gan_env.mdp.knobs import RATES
from gan_env.policies.tables import TablePolicy
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


def suffixes(config: EnvConfig) -> tuple[str, ...]:
    """The suffixes of the read-outs of a controller that acts in such an environment."""
    own_rates = set(RATES) & set(config.knobs) and config.rates == "given"  # not those of the environment's rule
    return SUFFIXES if own_rates else (REPLAY_SUFFIX, YOKED_SUFFIX)


def read_out(env: GANVectorEnv, coordinates: Float32, runs: Sequence[Instance], suffix: str) -> dict[str, Any]:
    """A read-out as fields of `PolicyOptions`: the mean value of every knob during each interval.

    Args:
        env: the environment that the runs were played in.
        coordinates: of the controlled knobs, [E, T, K] in [0, 1].
        runs: the instance of each run, E.
        suffix: which read-out.
    """
    mean = torch.from_numpy(coordinates.mean(axis=0, dtype=np.float64))  # [T, K]
    values = env.knobs.values(mean.to(env.device))
    table = {knob.name: [knob.rounded(v) for v in values[knob.name].tolist()] for knob in env.knobs.controlled}  # [T]
    if suffix != RATES_REPLAY_SUFFIX:
        return {"kind": "table", "table": table}
    for column, knob in enumerate(env.knobs.controlled):
        if knob.name in RATES:
            factors = knob.decode(torch.from_numpy(coordinates[..., column])).numpy()  # [E, T]
            given = np.array([getattr(instance, knob.name) for instance in runs])[:, None]
            table[knob.name] = [float(f"{v:.4g}") for v in np.exp(np.log(factors * given).mean(axis=0))]
    return {"kind": "rates", "table": table}


class Yoked(TablePolicy):
    """Plays a knob trajectory of its own in each row, whatever happens.

    Args:
        env: what is acted in.
        tables: the coordinates that are wanted during each interval, [N, T, K] in [0, 1].

    Attributes:
        start: where the knobs start, [N] each.
    """

    def __init__(self, env: GANVectorEnv, tables: Float32) -> None:
        super().__init__(env, {})
        self.tables, self.start = tables, env.knobs.starts(tables[:, 0])  # a row each

    def wanted(self, observation: Float32, decision: NDArray[Any]) -> Float32:
        """The coordinates [N, K] for these decisions [N]: each row's own."""
        coordinates: Float32 = self.tables[np.arange(len(decision)), decision]
        return coordinates
