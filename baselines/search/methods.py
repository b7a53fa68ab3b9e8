"""The methods that opponents are tuned by.

All of them get the same runs, and begin with constants and the usual schedules; none knows what earlier tunings found.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import optuna

from baselines.search import cma_es, population_based, tpe
from baselines.search.halving import SHARE, STEPS
from baselines.search.spaces import SPACES, first_guesses
from baselines.search.task import Method, Task, Tried
from gan_env.policies.presets import PolicyOptions, policy_of

FIRST_RUNG = 4
"""In successive halving a candidate begins with one `FIRST_RUNG`th of the runs that it has in other methods."""
RUNGS_APART = 10_000
"""How far the first runs of two rungs are apart."""


def sampled(
    task: Task, tried: Sequence[Tried], sampler: Callable[[int], optuna.samplers.BaseSampler]
) -> Iterator[list[Tried]]:
    """Draws every batch by a sampler of Optuna, which learns from those before."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())  # draws nothing: the parameters are known
    for one in tried:
        study.enqueue_trial(one["params"])
        trial = study.ask()
        SPACES[task.kind](trial, task.env)
        study.tell(trial, one["value"])
    while True:
        trials = _ask(study, task, task.candidates, len(study.trials), sampler)
        batch = task.try_out([trial.params for trial, _ in trials], [policy for _, policy in trials])
        for (trial, _), one in zip(trials, batch, strict=True):
            study.tell(trial, one["value"])
        yield batch


def halving(task: Task, tried: Sequence[Tried]) -> Iterator[list[Tried]]:
    """Successive halving (Jamieson and Talwalkar 2016): many random candidates on few runs, the best on ever more.

    One candidate in `SHARE` goes on to the next rung, which has `SHARE` times as many runs, fresh ones, and as many
    batches.
    """
    known, each, rows = list(tried), task.batches // (STEPS + 1), task.env.num_envs
    study = optuna.create_study()
    for rung in range(STEPS + 1):
        runs = min(rows, max(1, task.runs // FIRST_RUNG) * SHARE**rung)
        here = dataclasses.replace(task, runs=runs, seed=task.seed + rung * RUNGS_APART)
        done = sum(one["rung"] == rung for one in known)
        below = sorted((one for one in known if one["rung"] == rung - 1), key=lambda one: float(one["value"]))
        batches = each if rung else task.batches - STEPS * each
        size = min(batches * here.candidates, -(-len(below) // SHARE) if rung else rows * batches)
        while done < size:
            if rung == 0:
                drawn = _ask(study, here, here.candidates, done, optuna.samplers.RandomSampler)
                params, policies = [trial.params for trial, _ in drawn], [policy for _, policy in drawn]
            else:
                best = below[done : min(done + here.candidates, size)]
                params, policies = [one["params"] for one in best], [policy_of(one["policy"]) for one in best]
            batch = [{**one, "rung": rung} for one in here.try_out(params, policies)]
            known, done = known + batch, done + len(batch)
            yield batch


def _ask(
    study: optuna.Study, task: Task, count: int, done: int, sampler: Callable[[int], optuna.samplers.BaseSampler]
) -> list[tuple[optuna.Trial, PolicyOptions]]:
    """The next candidates after `done` others: the first guesses, then what is drawn."""
    study.sampler = sampler((task.seed + done) % 2**31)  # so a resumed search draws what an uninterrupted one does
    for guess in first_guesses(task.kind, task.env)[done : done + count]:
        study.enqueue_trial(guess)
    trials = [study.ask() for _ in range(count)]
    return [(trial, SPACES[task.kind](trial, task.env)) for trial in trials]


METHODS: dict[str, Method] = {
    "tpe": partial(sampled, sampler=partial(tpe.sampler, first_at_random=32)),
    "random": partial(sampled, sampler=optuna.samplers.RandomSampler),
    "halving": halving,
    "cma_es": cma_es.search,
    "population": population_based.tune,
}
