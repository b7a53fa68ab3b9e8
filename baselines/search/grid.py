"""The best single schedule, found on training instances from a grid by successive halving.

The grid goes both ways: every knob may be constant, fall or rise, because the customary direction is not always the
good one. All candidates of a round meet the same instances and GAN seeds; rows of the environment run different
candidates side by side.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gan_env import GANVectorEnv
from gan_env.evaluation.side_by_side import run_jobs
from gan_env.mdp.knobs import knob_table
from gan_env.policies.tables import Anneal, schedule_policy

Schedule = dict[str, Anneal]

ENDS: dict[str, list[tuple[float, float]]] = {
    "r1": [(0.1, 0.1), (1, 1), (3, 3), (10, 10), (10, 0.3), (3, 0.1), (0.1, 3), (0.3, 10), (1, 10)],
    "instance_noise": [(0, 0), (0.1, 0.1), (0.3, 0), (0, 0.15)],
    "augment": [(0, 0), (0.25, 0.25), (0.5, 0), (0, 0.5)],
}
"""(start, end) of the usual knobs; the cross product is searched."""
STRONG = 0.6  # coordinate of a strong setting of any other knob
KINDS = ("linear", "exponential", "cosine", "power", "step")
SMALL = 1e-3  # stands for zero in geometric schedules


@dataclass(frozen=True)
class GridResult:
    """What the search found.

    Attributes:
        best: the schedule with the lowest mean final log metric in the last round.
        scores: (description, episodes, mean final log metric) of each candidate in the last round it was in.
        gan_updates: GAN updates that the search used.
    """

    best: Schedule
    scores: list[tuple[str, int, float]]
    gan_updates: int


def ends_of(name: str) -> list[tuple[float, float]]:
    """(start, end) of a knob; of one that isn't in `ENDS`, between doing nothing and a strong setting, both ways."""
    if name in ENDS:
        return ENDS[name]
    knob = knob_table()[name]
    off, strong = knob.neutral, float(knob.decode(torch.tensor(STRONG)))
    return [(off, off), (strong, strong), (strong, off), (off, strong)]


def candidates(knobs: tuple[str, ...]) -> list[Schedule]:
    """All combinations of ends; knobs on a logarithmic scale move exponentially where both ends are positive."""

    def anneal(ends: tuple[float, float]) -> Anneal:
        start, end = ends
        kind = "fixed" if start == end else "exponential" if min(ends) > 0 else "linear"
        return Anneal(kind, start, end)

    return [dict(zip(knobs, map(anneal, ends), strict=True)) for ends in product(*map(ends_of, knobs))]


def kinds_of(schedule: Schedule) -> Iterator[Schedule]:
    """The schedule with each moving knob annealed by every kind, all knobs alike."""
    for kind in KINDS:
        yield {
            name: a
            if a.kind == "fixed"
            else Anneal(kind, *(_positive(a) if kind in ("exponential", "step") else (a.initial, a.final)))
            for name, a in schedule.items()
        }


def search(
    env: GANVectorEnv,
    seed: int,
    episodes: int,
    thin: int = 1,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> GridResult:
    """Finds the best schedule.

    Rounds: every candidate on `episodes` runs; the best sixth on three times as many; the best four of these, in every
    kind of annealing, on six times as many; the best six of all on twelve times as many. Later rounds use fresh seeds
    and other instances, so the winner is not chosen by luck.

    Args:
        env: training instances, `AutoresetMode.DISABLED`.
        seed: seed of the first run.
        episodes: runs a candidate in the first round.
        thin: every how many-th candidate of the grid is tried.
        report: called with (what, done, total) after each batch of runs.
    """
    before, pool, scores = env.gan_updates, candidates(env.config.knobs)[::thin], {}

    def rank(entries: list[Schedule], runs: int, name: str) -> list[Schedule]:
        nonlocal seed
        means = _score(env, entries, seed, runs, lambda done, total: report(name, done, total))
        seed += runs
        scores.update({describe(s): (runs, float(m)) for s, m in zip(entries, means, strict=True)})
        return [entries[i] for i in np.argsort(means, kind="stable")]

    pool = rank(pool, episodes, "grid")
    pool = rank(pool[: max(4, len(pool) // 6)], 3 * episodes, "half")
    pool = pool[:4] + [kind for schedule in pool[:4] for kind in kinds_of(schedule)]
    pool = rank(list({describe(s): s for s in pool}.values()), 6 * episodes, "kinds")
    best = rank(pool[:6], 12 * episodes, "final")[0]
    listed = sorted(((d, n, m) for d, (n, m) in scores.items()), key=lambda row: (-row[1], row[2]))
    return GridResult(best, listed, env.gan_updates - before)


def _score(
    env: GANVectorEnv, entries: list[Schedule], seed: int, runs: int, report: Callable[[int, int], None]
) -> NDArray[np.float64]:
    """Mean final log metric of each schedule over the same `runs` instances and seeds: [len(entries)]."""
    jobs = [(entry, run, run % len(env.instances)) for entry in range(len(entries)) for run in range(seed, seed + runs)]
    played = run_jobs(env, [schedule_policy(env, entry) for entry in entries], jobs, report)
    means: NDArray[np.float64] = played.final.reshape(len(entries), runs).mean(axis=1)
    return means


def describe(schedule: Schedule) -> str:
    """A schedule in one line."""
    return ", ".join(f"{name} {anneal}" for name, anneal in schedule.items()) or "initial values"


def to_mapping(schedule: Schedule) -> dict[str, dict[str, Any]]:
    """A schedule as plain data, as `configs/policy/` has it."""
    return {name: {k: v for k, v in vars(a).items() if v is not None} for name, a in schedule.items()}


def _positive(anneal: Anneal) -> tuple[float, float]:
    return max(anneal.initial, SMALL), max(anneal.final, SMALL)
