"""The oracle: for each instance, the best of many schedules, chosen by a few runs of each on that instance.

It knows its instance, which no schedule for unknown instances does. There may be better schedules than its candidates,
a few runs may pick a wrong one, and it doesn't react to a run. So it is no upper bound.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gan_env import GANVectorEnv
from gan_env.evaluation.side_by_side import run_jobs
from gan_env.policies.steering import Policy

KEEP_ONE_IN, MORE_RUNS = 4, 4
"""One candidate in `KEEP_ONE_IN` goes to the second round, which has `MORE_RUNS` times as many runs."""
ROUNDS_APART = 1_000_000
"""How far the seeds of both rounds are apart."""


def best_of_each(
    env: GANVectorEnv,
    candidates: Sequence[Policy],
    instances: Sequence[int],
    seed: int,
    runs: int,
    report: Callable[[int, int], None] = lambda *_: None,
) -> NDArray[np.int64]:
    """Index of the candidate with the lowest mean final log metric on each of some instances of `env`.

    Args:
        env: with `AutoresetMode.DISABLED`.
        candidates: the schedules.
        instances: indices of the instances; the pick for one doesn't depend on the others.
        seed: of the first run; the two rounds share no runs, and the final scoring should use others.
        runs: runs of a candidate on an instance in the first round.
        report: called with (done, total) after each batch of a round.
    """
    alive = np.tile(np.arange(len(candidates)), (len(instances), 1))  # [instances, remaining candidates]
    for repeats, keep in ((runs, -(-len(candidates) // KEEP_ONE_IN)), (MORE_RUNS * runs, 1)):
        jobs = [
            (int(candidate), seed + instance * repeats + run, instance)
            for instance, left in zip(instances, alive, strict=True)
            for candidate in left
            for run in range(repeats)
        ]
        means = run_jobs(env, candidates, jobs, report).validation.reshape(*alive.shape, repeats).mean(axis=2)
        alive = np.take_along_axis(alive, np.argsort(means, axis=1, kind="stable")[:, :keep], axis=1)
        seed += ROUNDS_APART
    best: NDArray[np.int64] = alive[:, 0]
    return best
