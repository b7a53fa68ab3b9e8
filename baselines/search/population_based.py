"""Population-based training (Jaderberg et al. 2017, arXiv:1711.09846): runs that copy better ones.

Every few decisions the worst quarter of a population takes over weights and knobs from runs of the best quarter
(exploit), and moves each knob up or down a step (explore). Knobs are constant in between. All populations of an
instance are alike and independent of each other.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from baselines.search.lanes import Columns, Lanes, Rows
from gan_env.errors import require
from gan_env.evaluation.seeds import WORTH_APART

SIZE, COPIED = 8, 2
"""Runs of a population, and how many of them take over another's state."""
PERIOD = 0.25
"""Share of the run between two such moments."""
STEP = 0.1
"""How far a knob moves, as a share of its range: for a learning rate a factor of two."""


def search(lanes: Lanes, instances: Sequence[int], runs: int, seed: int) -> Iterator[Columns]:
    """Plays as many populations on each of some instances as `runs` runs make; gives them as they finish.

    Raises:
        ConfigError: there are too few rows for a population.
    """
    require(len(lanes.free) >= SIZE, "rows", len(lanes.free), f"at least {SIZE}, a population")
    period = max(1, round(PERIOD * lanes.last))
    jobs = [(instance, unit) for instance in instances for unit in range(max(1, runs // SIZE))]
    playing: list[tuple[Rows, np.random.Generator]] = []  # rows and random generator of each population
    while jobs or playing:
        while jobs and lanes.free.sum() >= SIZE:
            instance, unit = jobs.pop(0)
            first = seed + WORTH_APART * instance + unit * SIZE
            rows, rng = np.flatnonzero(lanes.free)[:SIZE], np.random.default_rng(first)
            start = rng.uniform(size=(SIZE, 1, lanes.tables.shape[2])).astype(np.float32)
            tables = np.broadcast_to(start, (SIZE, *lanes.tables.shape[1:]))
            lanes.start(rows, [instance] * SIZE, [unit] * SIZE, range(first, first + SIZE), tables)
            playing.append((rows, rng))
        lanes.step()
        onto, source, moved = [], [], []
        for rows, rng in playing:
            decision = int(lanes.decision[rows[0]])
            if decision % period == 0 and decision < lanes.last:
                ranked = rows[np.argsort(lanes.course["log_metric"][rows, decision], kind="stable")]
                onto.append(ranked[-COPIED:])
                source.append(rng.permutation(ranked[:COPIED]))
                moved.append(rng.choice([-STEP, STEP], size=(COPIED, 1, lanes.tables.shape[2])))
        if onto:
            copies = np.concatenate(onto)
            lanes.fork(copies, np.concatenate(source))
            lanes.tables[copies] = (lanes.tables[copies] + np.concatenate(moved)).clip(0, 1)
        if len(lanes.finished()):
            yield lanes.take(lanes.finished())
            playing = [(rows, rng) for rows, rng in playing if not lanes.free[rows[0]]]
