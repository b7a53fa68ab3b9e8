"""The methods that opponents are tuned by.

All of them get the same runs, and begin with constants and the usual schedules; none knows what earlier tunings found.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import optuna

from baselines.search import cma_es, halving, population_based, tpe
from baselines.search.spaces import SPACES
from baselines.search.task import Method, Task, Tried


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
        trials = task.ask(study, len(study.trials), sampler)
        batch = task.try_out([trial.params for trial, _ in trials], [policy for _, policy in trials])
        for (trial, _), one in zip(trials, batch, strict=True):
            study.tell(trial, one["value"])
        yield batch


METHODS: dict[str, Method] = {
    "tpe": partial(sampled, sampler=partial(tpe.sampler, first_at_random=32)),
    "random": partial(sampled, sampler=optuna.samplers.RandomSampler),
    "halving": halving.tune,
    "cma_es": cma_es.tune,
    "population": population_based.tune,
}
