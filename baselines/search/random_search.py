"""Random search: runs with settings drawn independently of each other, as many side by side as there are rows."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from baselines.search.lanes import Columns, Lanes
from baselines.search.spaces import random_schedules, table_of
from gan_env import GANVectorEnv
from gan_env.evaluation.seeds import WORTH_APART
from gan_env.mdp.knobs import RATES
from gan_env.records import Float32

Draw = Callable[[GANVectorEnv, int, int], Float32]
"""Environment, count n and seed -> settings: the coordinates that are wanted during each interval, [n, T, K]."""
REACH = 10.0
"""Factors on learning rates are drawn from 1 / `REACH` to `REACH`: two decades around the rate of the instance."""


def schedules(env: GANVectorEnv, count: int, seed: int) -> Float32:
    """Schedules of all controlled knobs, from the space that opponents are tuned in: [n, T, K]."""
    return np.stack([table_of(schedule, env) for schedule in random_schedules(env, count, seed)])


def constant_rates(env: GANVectorEnv, count: int, seed: int) -> Float32:
    """Constant factors on both learning rates, uniform in the logarithm; other knobs stay at their start: [n, T, K]."""
    rng = np.random.default_rng(seed)
    found = np.tile(env.knobs.initial.cpu().numpy(), (count, 1))  # [n, K]
    for column, knob in enumerate(env.knobs.controlled):
        if knob.name in RATES:
            low, high = (float(knob.encode(torch.tensor(end))) for end in (1 / REACH, REACH))
            found[:, column] = rng.uniform(low, high, count)  # the knob is logarithmic
    return np.repeat(found[:, None], env.config.num_decisions, axis=1).astype(np.float32)


def search(lanes: Lanes, instances: Sequence[int], runs: int, seed: int, draw: Draw) -> Iterator[Columns]:
    """Plays `runs` settings on each of some instances, and gives the runs as they finish.

    Settings and GAN seeds of an instance depend on `seed` and the instance alone.
    """
    jobs = [(instance, number) for instance in instances for number in range(runs)]
    settings = {instance: draw(lanes.env, runs, seed + WORTH_APART * instance) for instance in instances}
    while jobs or not lanes.free.all():
        rows = np.flatnonzero(lanes.free)[: len(jobs)]
        if len(rows):
            taken, jobs = jobs[: len(rows)], jobs[len(rows) :]
            own, units = zip(*taken, strict=True)
            tables = np.stack([settings[instance][number] for instance, number in taken])
            lanes.start(rows, own, units, [seed + WORTH_APART * i + number for i, number in taken], tables)
        lanes.step()
        if len(lanes.finished()):
            yield lanes.take(lanes.finished())
