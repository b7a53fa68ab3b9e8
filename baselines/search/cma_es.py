"""Covariance matrix adaptation (CMA-ES, Hansen and Ostermeier 2001) by the package cmaes, over coordinates in [0, 1].

Coordinates are clipped, so that an end, where knobs often want to be, is found exactly.
"""

from collections.abc import Iterator, Sequence
from math import log

import numpy as np
from optuna.trial import FixedTrial

from baselines.search.spaces import SPACES, first_guesses
from baselines.search.task import Task, Tried
from gan_env.errors import needs
from gan_env.records import Float64

SIGMA = 0.2
"""Standard deviation of the first generation, as a share of a knob's range."""


def tune(task: Task, tried: Sequence[Tried]) -> Iterator[list[Tried]]:
    """Plays the first guesses, then generations around the best of them; what was tried before is drawn again."""
    with needs("study"):
        from cmaes import CMA

    saved, guesses = list(tried), first_guesses(task.kind, task.env)[: task.candidates]
    names, points = list(guesses[0]), [np.array(list(guess.values())) for guess in guesses]
    cma: CMA | None = None
    generation: list[tuple[Float64, float]] = []
    while True:
        batch, saved = saved[: len(points)], saved[len(points) :]
        if not batch:
            params = [dict(zip(names, point.clip(0, 1).tolist(), strict=True)) for point in points]
            batch = task.try_out(params, [SPACES[task.kind](FixedTrial(one), task.env) for one in params])
            yield batch
        generation += [(point, one["value"]) for point, one in zip(points, batch, strict=True)]
        if cma is None:
            best = min(generation, key=lambda pair: pair[1])[0]
            size = task.candidates * max(1, round((4 + 3 * log(len(names))) / task.candidates))  # whole batches
            cma, generation = CMA(best, SIGMA, seed=task.seed % 2**31, population_size=size), []
        elif len(generation) == cma.population_size:
            cma.tell(generation)
            generation = []
        points = [cma.ask() for _ in range(task.candidates)]
