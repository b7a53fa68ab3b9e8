"""Successive halving (Jamieson and Talwalkar 2016), the inner loop of Hyperband (Li et al. 2018, arXiv:1603.06560).

`search` plays brackets on single instances: a bracket starts many runs with random settings and stops all but the best
third at each rung, so it finishes one run for the price of a few. All brackets of an instance are alike and independent
of each other. `tune` looks for a policy that is good on many instances at once: at each rung the best third of the
candidates goes on, with three times as many runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import optuna

from baselines.search.lanes import Columns, Lanes, Rows
from baselines.search.random_search import schedules
from baselines.search.task import Task, Tried
from gan_env.errors import require
from gan_env.evaluation.seeds import WORTH_APART
from gan_env.policies.presets import policy_of

SHARE, STEPS = 3, 2
"""One run in `SHARE` goes on at a rung; a bracket has `STEPS` rungs before the end, so `SHARE` ** `STEPS` runs."""
SIZE = SHARE**STEPS
FIRST_RUNG = 4
"""In successive halving a candidate begins with one `FIRST_RUNG`th of the runs that it has in other methods."""
RUNGS_APART = 10_000
"""How far the first runs of two rungs are apart."""


def rungs(decisions: int) -> list[int]:
    """Decisions after which a bracket is thinned out; the last is the end of the run."""
    return [-(-decisions // SHARE**step) for step in range(STEPS, -1, -1)]


def cost(decisions: int) -> float:
    """What a bracket costs, in whole runs."""
    ends = np.array(rungs(decisions))
    return float((np.diff(ends, prepend=0) * SIZE // SHARE ** np.arange(STEPS + 1)).sum() / decisions)


def search(lanes: Lanes, instances: Sequence[int], runs: int, seed: int) -> Iterator[Columns]:
    """Plays as many brackets on each of some instances as `runs` whole runs pay for; gives runs as they end.

    Raises:
        ConfigError: there are too few rows for a bracket.
    """
    require(len(lanes.free) >= SIZE, "rows", len(lanes.free), f"at least {SIZE}, a bracket of successive halving")
    each, ends = max(1, int(runs / cost(lanes.last))), rungs(lanes.last)
    jobs = [(instance, bracket) for instance in instances for bracket in range(each)]
    settings = {i: schedules(lanes.env, each * SIZE, seed + WORTH_APART * i) for i in instances}
    brackets: list[Rows] = []  # the rows of each that have not been stopped
    while jobs or brackets:
        while jobs and lanes.free.sum() >= SIZE:
            instance, unit = jobs.pop(0)
            numbers = np.arange(unit * SIZE, (unit + 1) * SIZE)
            rows = np.flatnonzero(lanes.free)[:SIZE]
            seeds = (seed + WORTH_APART * instance + numbers).tolist()
            lanes.start(rows, [instance] * SIZE, [unit] * SIZE, seeds, settings[instance][numbers])
            brackets.append(rows)
        lanes.step()
        for index, rows in enumerate(brackets):
            decision = int(lanes.decision[rows[0]])
            if decision in ends[:-1]:
                ranked = rows[np.argsort(lanes.course["log_metric"][rows, decision], kind="stable")]
                left = SIZE // SHARE ** sum(end <= decision for end in ends[:-1])  # rungs of short runs coincide
                brackets[index] = ranked[:left]
                yield lanes.take(ranked[left:])
        finished = lanes.finished()
        if len(finished):
            yield lanes.take(finished)
            brackets = [rows for rows in brackets if not lanes.free[rows[0]]]


def tune(task: Task, tried: Sequence[Tried]) -> Iterator[list[Tried]]:
    """Plays many random candidates on few runs each, and the best of them on ever more.

    One candidate in `SHARE` goes on to the next rung, which has `SHARE` times as many runs, fresh ones, and as many
    batches.
    """
    known, each, rows = list(tried), task.batches // (STEPS + 1), task.env.num_envs
    study = optuna.create_study()
    for rung in range(STEPS + 1):
        runs = min(rows, max(1, task.runs // FIRST_RUNG) * SHARE**rung)
        here = replace(task, runs=runs, seed=task.seed + rung * RUNGS_APART)
        done = sum(one["rung"] == rung for one in known)
        below = sorted((one for one in known if one["rung"] == rung - 1), key=lambda one: float(one["value"]))
        batches = each if rung else task.batches - STEPS * each
        size = min(batches * here.candidates, -(-len(below) // SHARE) if rung else rows * batches)
        while done < size:
            if rung == 0:
                drawn = here.ask(study, done, optuna.samplers.RandomSampler)
                params, policies = [trial.params for trial, _ in drawn], [policy for _, policy in drawn]
            else:
                best = below[done : min(done + here.candidates, size)]
                params, policies = [one["params"] for one in best], [policy_of(one["policy"]) for one in best]
            batch = [{**one, "rung": rung} for one in here.try_out(params, policies)]
            known, done = known + batch, done + len(batch)
            yield batch
