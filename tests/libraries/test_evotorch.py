"""EvoTorch's fitness is the return of the run that a solution played, and its statistics are of that run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from witness import Transition, Witness, runs

pytest.importorskip("evotorch", reason="EvoTorch is not installed: gan_env[libraries] brings it")

Program = Callable[..., dict[str, Any]]


def assert_returns(problem: Any, batch: Any, played: list[list[Transition]], interactions: int) -> None:
    """Of solutions that have just been evaluated, `interactions` ago; `played` are their runs, in order."""
    assert all(run[-1].terminated for run in played)
    returns = [sum(t.reward for t in run) for run in played]
    np.testing.assert_allclose(np.asarray(batch.evals)[:, 0], returns, rtol=1e-5, atol=1e-5)
    assert int(problem.status["total_interaction_count"]) - interactions == sum(map(len, played))


def evaluated(problem: Any, witness: Witness) -> tuple[Any, int]:
    """Twelve new solutions after their evaluation, and how many interactions there had been before."""
    witness.forget()
    batch, before = problem.generate_batch(12), int(problem.status["total_interaction_count"])
    problem.evaluate(batch)
    return batch, before


def test_a_row_of_the_vector_environment_plays_a_solution(run_program: Program, witness: Witness) -> None:
    problem = run_program("rows_evotorch")["problem"]
    batch, before = evaluated(problem, witness)
    assert_returns(problem, batch, [runs(row)[0] for row in witness.rows], before)


def test_a_single_environment_plays_one_solution_after_the_other(run_program: Program, witness: Witness) -> None:
    problem = run_program("by_id_evotorch")["problem"]
    seen, total = problem.get_observation_stats().count, problem.get_observation_stats().sum.copy()
    batch, before = evaluated(problem, witness)
    (row,) = witness.rows
    assert_returns(problem, batch, runs(row), before)
    observed = [run[0].obs for run in runs(row)] + [t.next_obs for t in row]
    stats = problem.get_observation_stats()
    assert stats.count - seen == len(observed)
    np.testing.assert_allclose(stats.sum - total, np.sum(observed, axis=0), rtol=1e-3, atol=1e-2)  # type: ignore[arg-type]
