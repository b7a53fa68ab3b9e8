"""Population-based training (Jaderberg et al. 2017, arXiv:1711.09846): runs that copy better ones.

Every few decisions the worst quarter of a population takes over weights and knobs from runs of the best quarter
(exploit), and moves each knob up or down a step (explore). `search` plays populations on single instances; all of an
instance are alike and independent of each other, and begin with constants. `tune` looks for a schedule that is good on
many instances at once.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from baselines.search.curves import drawn
from baselines.search.lanes import Columns, Lanes, Rows
from baselines.search.spaces import table_of, usual_tables
from baselines.search.task import Task, Tried, fields_of
from gan_env.errors import require
from gan_env.evaluation.seeds import WORTH_APART
from gan_env.policies.presets import policy_of
from gan_env.records import Float32

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
                worst, best, moves = succession(lanes, rows[:, None], rng)
                onto.append(worst)
                source.append(best)
                moved.append(moves)
        if onto:
            take_over(lanes, np.concatenate(onto), np.concatenate(source), np.concatenate(moved))
        if len(lanes.finished()):
            yield lanes.take(lanes.finished())
            playing = [(rows, rng) for rows, rng in playing if not lanes.free[rows[0]]]


def succession(lanes: Lanes, members: Rows, rng: np.random.Generator) -> tuple[Rows, Rows, Float32]:
    """Which rows of the worst members [n] take over from which of the best [n], and how knobs move then, [n, 1, K].

    Args:
        lanes: what they play in.
        members: the rows of each member, [SIZE, R]; the r-th row of one takes over from the r-th of another.
        rng: for who takes over from whom, and for the moves.
    """
    rows, decision = members.shape[1], int(lanes.decision[members[0, 0]])
    ranked = members[np.argsort(lanes.course["log_metric"][members, decision].mean(axis=1), kind="stable")]
    best = rng.permutation(ranked[:COPIED])
    moves = rng.choice([-STEP, STEP], size=(COPIED, 1, lanes.tables.shape[2]))
    return ranked[-COPIED:].ravel(), best.ravel(), np.repeat(moves, rows, axis=0)


def take_over(lanes: Lanes, onto: Rows, source: Rows, moves: Float32) -> None:
    """Copies runs onto others, whose knobs move from now on."""
    lanes.fork(onto, source)
    ahead = np.arange(lanes.last) >= lanes.decision[onto][:, None]  # [n, T]
    lanes.tables[onto] = (lanes.tables[onto] + moves * ahead[:, :, None]).clip(0, 1)


def tune(task: Task, tried: Sequence[Tried]) -> Iterator[list[Tried]]:
    """Plays one generation of a population after the other; a candidate is a member's schedule at the end of its runs.

    A member has as many rows as there are, by `SIZE`, each on another instance; `TuneOptions` sees to it that there are
    enough. The first generation plays constants, those of the usual schedules and random ones; later ones play the
    best schedules so far, each moved a step.
    """
    known, lanes = list(tried), Lanes(task.env)
    members = np.arange(task.env.num_envs // SIZE * SIZE).reshape(SIZE, -1)  # [SIZE, R]
    runs, period = members.shape[1], max(1, round(PERIOD * lanes.last))
    seeds = list(range(task.seed, task.seed + runs)) * SIZE
    instances = [seed % len(task.env.instances) for seed in seeds]
    while True:
        rng = np.random.default_rng([task.seed, len(known)])
        tables = _next_generation(known, task, rng)
        units = np.repeat(np.arange(SIZE), runs).tolist()
        lanes.start(members.ravel(), instances, units, seeds, np.repeat(tables, runs, axis=0))
        for decision in range(1, lanes.last + 1):
            lanes.step()
            if decision % period == 0 and decision < lanes.last:
                take_over(lanes, *succession(lanes, members, rng))
        values = lanes.course["log_metric"][members, -1].astype(np.float64).mean(axis=1)
        policies = [drawn(task.env, table) for table in lanes.tables[members[:, 0]]]
        lanes.take(members.ravel())
        batch = [
            {"params": {}, "policy": fields_of(policy), "value": value}
            for policy, value in zip(policies, values.tolist(), strict=True)
        ]
        known += batch
        yield batch


def _next_generation(known: Sequence[Tried], task: Task, rng: np.random.Generator) -> Float32:
    """Where the members begin, [SIZE, T, K]."""
    knobs, decisions = len(task.env.config.knobs), task.env.config.num_decisions
    if not known:
        usual = usual_tables(task.env)[:SIZE]
        constants = rng.uniform(size=(SIZE - len(usual), 1, knobs))
        return np.stack([*usual, *np.repeat(constants, decisions, axis=1)]).astype(np.float32)
    best = sorted(known, key=lambda one: float(one["value"]))[:SIZE]
    tables = np.stack([table_of(policy_of(one["policy"]), task.env) for one in best])
    moves = rng.choice([-STEP, 0, STEP], size=(SIZE, 1, knobs))
    return np.asarray((tables + moves).clip(0, 1), np.float32)
