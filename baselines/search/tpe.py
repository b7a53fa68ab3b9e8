"""A tree-structured Parzen estimator (TPE, Bergstra et al. 2011) by Optuna: a study for each instance, side by side."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import optuna

from baselines.search.lanes import Columns, Lanes
from baselines.search.spaces import SPACES, first_guesses, table_of
from gan_env.evaluation.seeds import WORTH_APART


def search(lanes: Lanes, instances: Sequence[int], runs: int, seed: int) -> Iterator[Columns]:
    """Makes `runs` runs on each of some instances, one after the other, and gives them as they finish.

    As many instances are searched at once as there are rows, each with as many runs at once as rows are left for it
    (those that have not finished count as bad ones meanwhile). It begins with constants and the usual schedules.
    """
    if len(instances) > len(lanes.free):
        half = len(lanes.free)
        yield from search(lanes, instances[:half], runs, seed)
        yield from search(lanes, instances[half:], runs, seed)
        return
    studies = {instance: _study(lanes, seed + WORTH_APART * instance) for instance in instances}
    owners = np.repeat(instances, len(lanes.free) // len(instances))  # of the first rows
    trials: dict[int, optuna.Trial] = {}  # row -> what it plays
    made = dict.fromkeys(instances, 0)
    while True:
        begun, units, tables = [], [], []  # rows of the runs that begin now, and what they play
        for row in np.flatnonzero(lanes.free[: len(owners)]).tolist():
            instance = int(owners[row])
            if made[instance] < runs:
                trials[row] = studies[instance].ask()
                begun.append(row)
                units.append(made[instance])
                tables.append(table_of(SPACES["schedule"](trials[row], lanes.env), lanes.env))
                made[instance] += 1
        if begun:
            where = owners[begun]
            lanes.start(np.array(begun), where, units, seed + WORTH_APART * where + units, np.stack(tables))
        if lanes.free.all():
            return
        lanes.step()
        rows = lanes.finished()
        for row in rows.tolist():
            studies[int(owners[row])].tell(trials.pop(row), float(lanes.course["log_metric"][row, -1]))
        if len(rows):
            yield lanes.take(rows)


def sampler(seed: int, first_at_random: int = 10) -> optuna.samplers.BaseSampler:
    """The estimator, which knows of trials that run side by side; its first ones are drawn at random."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=first_at_random, multivariate=True, group=True, constant_liar=True
        )


def _study(lanes: Lanes, seed: int) -> optuna.Study:
    study = optuna.create_study(sampler=sampler(seed % 2**31))
    for guess in first_guesses("schedule", lanes.env):
        study.enqueue_trial(guess)
    return study
